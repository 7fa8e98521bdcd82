"""The doctor at real brokers and beside a real agent."""

import itertools
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from agent import doctor
from agent.doctor import Look, Machine, brokers
from agent.doctor.checks import CHECKS
from agent.events import Topics
from agent.settings import Broker, Settings
from agent.sources import wire

ROOT = Path(__file__).parents[2]
AUTHORITY = ROOT / "deploy" / "mosquitto" / "authority.sh"
TOPICS = Topics("ward", "gw")


def at(port: int, **keys: object) -> Broker:
    return Broker(**{"host": "127.0.0.1", "port": port, **keys})


def faults(broker: Broker) -> list[str]:
    findings = list(brokers.look_at_broker("broker", broker))
    for finding in findings:
        assert (finding.mend != "") == (finding.fault != "") == (finding.level != "ok"), finding
    return [finding.fault for finding in findings]


# --- as far as the login -----------------------------------------------------------------------------------


def test_a_closed_port_is_unreachable(free_port):
    assert faults(at(free_port)) == ["broker_unreachable"]


def test_a_name_that_nobody_knows(free_port):
    assert faults(at(free_port, host="broker.invalid")) == ["broker_unknown_host"]


def test_something_that_listens_but_is_no_broker(monkeypatch):
    monkeypatch.setattr(brokers, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert faults(at(server.getsockname()[1])) == ["broker_silent"]


def test_a_real_broker_takes_us_in(mosquitto):
    assert faults(at(mosquitto.port)) == [""]


def test_the_same_broker_is_asked_once(mosquitto):
    settings = Settings(broker=at(mosquitto.port), ingest=at(mosquitto.port))
    (finding,) = CHECKS["ingest"](Look(settings, Machine()))
    assert finding.message == "the same broker"


def test_a_login_that_is_refused(start_mosquitto, tmp_path):
    (tmp_path / "passwords").touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", tmp_path / "passwords", "veille", "right"], check=True)
    one = start_mosquitto(f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}")
    one.start()
    for password, fault in (("wrong", "broker_refused"), ("right", "")):
        (tmp_path / "password").write_text(password)
        broker = at(one.port, username="veille", password_file=str(tmp_path / "password"))
        assert faults(broker) == [fault]
    assert faults(at(one.port)) == ["broker_refused"]


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> Path:
    """A folder with an authority, another authority, brokers and gateways good and bad."""
    folder = tmp_path_factory.mktemp("authority")

    def authority(*arguments: object) -> None:
        subprocess.run([str(AUTHORITY), *map(str, arguments)], check=True, timeout=60)

    for name in ("ours", "theirs"):
        authority(folder / name, "init")
        authority(folder / name, "client", "gw")
    authority(folder / "ours", "broker", "good", "127.0.0.1")
    authority(folder / "ours", "broker", "elsewhere", "mqtt.example")
    authority(folder / "ours", "expired", "old")
    authority(folder / "ours", "client", "revoked")
    authority(folder / "ours", "revoke", "revoked")
    broker_with_dates(folder / "ours", "over", "20200101000000Z", "20210101000000Z")
    soon = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 86400))
    broker_with_dates(folder / "ours", "soon", "20200101000000Z", soon)
    return folder


def broker_with_dates(folder: Path, name: str, start: str, end: str) -> None:
    """A broker's certificate for 127.0.0.1 that is valid from `start` to `end`, by the same authority."""
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    new = f"openssl req -new -newkey rsa:2048 -nodes -keyout {name}.key -subj /CN={name} -out {name}.csr"
    dates = f"-startdate {start} -enddate {end}"
    sign = f"openssl ca -batch -notext -config ca.cnf -extfile names -in {name}.csr -out {name}.crt {dates}"
    for command in (new, sign):
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


@pytest.fixture
def secured(start_mosquitto, certificates):
    """Makes brokers with TLS: `secured("good")`."""

    def make(name: str, more: str = "") -> int:
        folder = certificates / "ours"
        files = f"cafile {folder}/ca.crt\ncertfile {folder}/{name}.crt\nkeyfile {folder}/{name}.key\n"
        one = start_mosquitto(files + more)
        one.start()
        return one.port

    return make


DEMANDS = "require_certificate true\nuse_identity_as_username true\n"


def tls(certificates: Path, port: int, own: str = "", authority: str = "ours") -> Broker:
    keys = {"tls": True, "ca_file": f"{certificates}/{authority}/ca.crt"}
    if own:
        keys |= {"cert_file": f"{certificates}/{own}.crt", "key_file": f"{certificates}/{own}.key"}
    return at(port, **keys)


def test_a_broker_whose_certificate_is_good(secured, certificates):
    assert faults(tls(certificates, secured("good"))) == [""]


@pytest.mark.parametrize(
    ("name", "authority", "told"),
    [
        ("good", "theirs", ["certificate_untrusted"]),
        ("elsewhere", "ours", ["certificate_other_host"]),
        ("over", "ours", ["certificate_expired"]),
        ("soon", "ours", ["", "certificate_expires_soon"]),
    ],
)
def test_a_brokers_certificate_that_is_wrong(secured, certificates, name, authority, told):
    assert faults(tls(certificates, secured(name), authority=authority)) == told


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("ours/gw", ""),
        ("ours/old", "own_certificate_expired"),
        ("ours/revoked", "own_certificate_refused"),
        ("theirs/gw", "own_certificate_refused"),
        ("", "own_certificate_refused"),
    ],
)
def test_our_own_certificate(secured, certificates, own, told):
    crl = f"crlfile {certificates}/ours/ca.crl\n" if own == "ours/revoked" else ""
    assert faults(tls(certificates, secured("good", DEMANDS + crl), own)) == [told]


def test_tls_where_there_is_none_and_none_where_there_is(mosquitto, secured, certificates, monkeypatch):
    assert faults(tls(certificates, mosquitto.port)) == ["broker_not_tls"]
    monkeypatch.setattr(brokers, "ANSWER_S", 1.0)
    assert faults(at(secured("good"))) == ["broker_silent"]


def test_a_key_that_does_not_fit_is_named(secured, certificates):
    keys = {"cert_file": f"{certificates}/ours/gw.crt", "key_file": f"{certificates}/theirs/gw.key"}
    broker = msgspec.structs.replace(tls(certificates, secured("good")), **keys)
    assert faults(broker) == ["secret_unreadable"]


# --- beside a real agent -----------------------------------------------------------------------------------


def test_what_a_running_agent_sees_of_its_wearers_is_told(tmp_path, mosquitto, agent_on, wait_for):
    agent = agent_on(mosquitto.port, mosquitto.port, "silence_s = 10")
    wait_for((tmp_path / "health.json").exists, "the agent's first word", 40)
    assert seen(tmp_path, "agent") == [""]
    told = {"unit_mismatch", "rate_mismatch", "packets_refused"}
    with wrong_packets(mosquitto.port):
        wait_for(lambda: told <= set(seen(tmp_path, "wearers")), "what is refused to be told", 40)
    wait_for(lambda: "wearer_silent" in seen(tmp_path, "wearers"), "the silent wearer", 40)
    agent.kill()
    agent.wait(10)
    wait_for(lambda: seen(tmp_path, "agent") == ["agent_silent"], "its silence to be told", 20)


def seen(folder: Path, check: str) -> list[str]:
    return [finding.fault for finding in doctor.examine(folder / "agent.toml", only=[check])]


@contextmanager
def wrong_packets(port: int):
    """All the while: a sensor in m/s² declared as g, one at half the rate that it says, one at an unknown place."""
    still = np.tile([0.0, 0.0, 1.0], (25, 1)).astype(np.float32)
    client, stop, began = Client(CallbackAPIVersion.VERSION2, "wearables"), threading.Event(), time.time()

    def publish() -> None:
        for second in itertools.count():
            for who, samples in (("anna/waist", still * 9.81), ("ben/waist", still), ("cleo/knee_cap", still)):
                payload = wire.encode_binary(samples, t=began - 3600 + second, rate_hz=50.0)
                client.publish(TOPICS.ingest(*who.split("/")), payload, qos=1)
            if stop.wait(0.05):
                return

    client.connect("127.0.0.1", port)
    client.loop_start()
    thread = threading.Thread(target=publish)
    thread.start()
    yield
    stop.set()
    thread.join()
    client.disconnect()
    client.loop_stop()
