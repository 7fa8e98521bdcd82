"""A whole, commented `agent.toml`: what `veille init` writes and `veille run --help` shows. Loads nothing heavy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAnswers:
    """Keys of `[broker]` or `[ingest]`; empty = left out, so that the default holds."""

    host: str = "localhost"
    port: int = 1883
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What differs from gateway to gateway; everything else is written with its default."""

    site: str = "site"
    gateway: str = "gateway"
    state_dir: str = "/var/lib/veille"
    runtime: str = ""
    wearers: Sequence[str] = ()
    consumers: Sequence[str] = ()
    broker: BrokerAnswers = field(default_factory=BrokerAnswers)
    ingest: BrokerAnswers = field(default_factory=BrokerAnswers)


PAGE = Template("""\
site = $site                  # parts of every topic: letters, digits, _ and -
gateway = $gateway
state_dir = $state_dir  # the outbox lives here
# bundle = "/etc/veille/bundle"  # default: the one inside the package
# trust = "/etc/veille/root.json"  # whose signatures count, on bundles and updates
require_signature = true       # a bundle that neither ships with the agent nor is signed by `trust` is refused
$runtime
language = "en"                # of the sentences in events: en or fr
signals_in_explanations = false  # true: draw the samples in pictures that are sent on request
wearers = $wearers                   # pseudonyms that may send; empty = anyone, up to max_wearers
max_wearers = 64
health_s = 30.0                # seconds between two messages on .../health

[broker]                       # where events go
$broker
keepalive_s = 20               # the gateway's death is told after 30 s

[ingest]                       # where wearables publish: same keys as [broker]
$ingest

[alarms]
false_alarms_per_day = 24.0    # budget per wearer
# false_discovery_share = 0.1    # over all wearers: at most this share of the last day's alarms should be false
head = "interval_dominance"    # or "interval_criterion", which abstains less often
trigger_windows = 1            # windows in a row before an alarm starts
refractory_s = 30.0            # an alarm that returns within this time is the same alarm
abstentions_per_hour = 6.0     # doubt is published at most this often, for each wearer
silence_s = 120.0              # a sensor that says nothing for this long is announced

[limbs]                        # two wrists, or two legs, compared over days
wearers = {}                   # { anna = { profile = "stroke", side = "left" } }: the paretic side; or
                               # return_to_play with the injured side; without a word: general, left beside right
forearm = "x"                  # axis of the wrist sensors that lies along the forearm
# detector = "/etc/veille/use.npz"   # of arm use, learnt by `python -m training limbs-detector`
day_begins_h = 0.0             # UTC; the local night is best

[outbox]
max_rows = 1000000
max_bytes = 536870912          # full: the least urgent oldest event goes, counted and announced
reserve_bytes = 8388608

[delivery]
consumers = $consumers                 # who must acknowledge each event; empty = the broker's word is enough
# wearers = { ehr = ["anna"] }   # this consumer answers for these wearers only
settle_s = 1.0
drain_per_s = 500.0            # what waited; new events go first

[update]                       # newer bundles; needs trust and veille[update]
url = ""                       # a repository; empty = no updates
shadow_s = 3600.0              # a new bundle runs unheard beside the old one for so long
trial_s = 600.0                # then it speaks, and the old one stands by for so long
alarm_factor = 2.0             # bound on its alarm rate, against that of the old one
""")


def settings_page(answers: Answers | None = None) -> str:
    """The file as text; strings are quoted, but whether they are allowed is for `read_settings` to say."""
    answers = answers or Answers()
    about_runtime = "# litert needs veille[litert]; onnx-cuda, onnx-tensorrt: deploy/JETSON.md; default: the bundle's"
    return PAGE.substitute(
        site=_text(answers.site),
        gateway=_text(answers.gateway),
        state_dir=_text(answers.state_dir),
        wearers=_texts(answers.wearers),
        consumers=_texts(answers.consumers),
        runtime=f"{_line('runtime', answers.runtime, 'onnx')}  {about_runtime}",
        broker=_broker(answers.broker),
        ingest=_broker(answers.ingest),
    )


def _broker(broker: BrokerAnswers) -> str:
    return "\n".join(
        [
            f"host = {_text(broker.host)}",
            f"port = {broker.port}",
            _line("username", broker.username, "veille"),
            _line("password_file", broker.password_file, "/etc/veille/password"),
            f"tls = {str(broker.tls).lower()}",
            _line("ca_file", broker.ca_file, "/etc/veille/tls/ca.crt"),
            _line("cert_file", broker.cert_file, "/etc/veille/tls/gateway.crt"),
            _line("key_file", broker.key_file, "/etc/veille/tls/gateway.key"),
        ]
    )


def _line(key: str, value: str, example: str) -> str:
    """A key that is set, or one that is only shown."""
    return f"{key} = {_text(value)}" if value else f"# {key} = {_text(example)}"


def _text(value: str) -> str:
    return json.dumps(value)  # TOML's basic strings have JSON's escapes


def _texts(values: Sequence[str]) -> str:
    return json.dumps(list(values))
