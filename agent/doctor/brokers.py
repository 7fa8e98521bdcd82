"""A broker: name, port, TLS, certificates, login, in this order; the first that is wrong is named."""

import logging
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator

from agent.connection import Connection, Hooks
from agent.credentials import tls_context
from agent.doctor.finding import Fault, Finding, Look
from agent.errors import AgentError
from agent.settings import Broker

ANSWER_S = 5.0
"""How long a broker may take to answer."""
SOON_S = 30 * 86_400.0
"""A certificate that ends sooner is told."""
VERIFY_FAULTS: dict[int, Fault] = {
    9: "certificate_expired",  # not yet valid: an authority in a hurry, or our clock
    10: "certificate_expired",
    62: "certificate_other_host",
    64: "certificate_other_host",
}
"""Codes of X509_verify_cert_error(3); all others are `certificate_untrusted`."""
MENDS: dict[Fault, str] = {
    "certificate_expired": "renew the broker's certificate; is this gateway's clock right?",
    "certificate_other_host": "name the broker by a name that stands in its certificate",
    "certificate_untrusted": "name in ca_file the authority that signed the broker's certificate",
    "own_certificate_expired": "renew the certificate in cert_file",
    "own_certificate_refused": "give a certificate of the broker's authority in cert_file and key_file",
    "broker_refused": "mend username, password_file or certificate, or the broker's list of who may come in",
    "broker_silent": "is it an MQTT port? where it wants TLS, set tls = true and its TLS port (8883)",
}
REASONS: tuple[tuple[str, Fault], ...] = (
    (r"CERTIFICATE_EXPIRED|certificate expired", "own_certificate_expired"),
    (r"ALERT.*(CERTIFICATE|CERT|UNKNOWN_CA)|HANDSHAKE_FAILURE", "own_certificate_refused"),
    (r"^refused", "broker_refused"),
)
"""What the connection says of its end -> fault; anything else is silence."""


def look_at_events_broker(look: Look) -> Iterator[Finding]:
    """Where events go."""
    return look_at_broker("broker", look.settings.broker)


def look_at_ingest_broker(look: Look) -> Iterator[Finding]:
    """Where wearables publish."""
    if look.settings.ingest == look.settings.broker:
        return iter([Finding("ingest", "ok", "the same broker")])
    return look_at_broker("ingest", look.settings.ingest)


def look_at_broker(name: str, broker: Broker) -> Iterator[Finding]:
    """Find out how far we get. Our client id is another than the agent's, so that a running one stays in."""
    where = f"{broker.host}:{broker.port}"
    finding = _network(name, where, broker) or _login(name, where, broker)
    if finding is not None:
        yield finding
        return
    yield Finding(name, "ok", f"{where} takes us in")
    if broker.tls:
        yield from _ends_soon(name, where, broker)


def _network(name: str, where: str, broker: Broker) -> Finding | None:
    """What is wrong below MQTT; None = nothing."""
    try:
        with socket.create_connection((broker.host, broker.port), timeout=ANSWER_S) as plain:
            return _tls(name, where, broker, plain) if broker.tls else None
    except socket.gaierror as error:
        mend = f"mend host under [{name}], or this machine's DNS"
        return Finding(name, "fail", f"{where}: {error.strerror}", mend, "broker_unknown_host")
    except OSError as error:
        mend = f"start the broker, open the firewall, or mend host and port under [{name}]"
        return Finding(name, "fail", f"{where}: {error}", mend, "broker_unreachable")


def _tls(name: str, where: str, broker: Broker, plain: socket.socket) -> Finding | None:
    """What is wrong with TLS; None = nothing yet, for what the broker thinks of our certificate comes later."""
    try:
        tls_context(broker).wrap_socket(plain, server_hostname=broker.host).close()
    except AgentError as error:
        return Finding(name, "fail", str(error), f"mend the file names under [{name}]", "secret_unreadable")
    except ssl.SSLCertVerificationError as error:
        fault = VERIFY_FAULTS.get(error.verify_code, "certificate_untrusted")
        told = f"{where}: the broker's certificate: {error.verify_message}"
        return Finding(name, "fail", told, MENDS[fault], fault)
    except OSError as error:  # not only SSLError: a broker without TLS may just hang up
        mend = f"set tls = false, or the broker's TLS port (8883), under [{name}]"
        return Finding(name, "fail", f"{where} speaks no TLS: {error}", mend, "broker_not_tls")
    return None


def _secured(broker: Broker) -> ssl.SSLSocket:
    """A connection that has come through the handshake before."""
    plain = socket.create_connection((broker.host, broker.port), timeout=ANSWER_S)
    return tls_context(broker).wrap_socket(plain, server_hostname=broker.host)


def _ends_soon(name: str, where: str, broker: Broker) -> Iterator[Finding]:
    with _secured(broker) as secured:
        certificate = secured.getpeercert() or {}
    ends_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    if ends_s - time.time() < SOON_S:
        told = f"{where}: the broker's certificate ends on {certificate['notAfter']}"
        yield Finding(name, "warn", told, MENDS["certificate_expired"], "certificate_expires_soon")


def _login(name: str, where: str, broker: Broker) -> Finding | None:
    """Why the broker does not take us in; None = it does."""
    answered, joined = threading.Event(), threading.Event()
    heard = _Heard(answered)
    log = logging.getLogger("veille")
    log.addHandler(heard)

    def join(*_: object) -> None:
        joined.set()
        answered.set()

    try:
        connection = Connection(broker, f"veille-doctor-{os.getpid()}", Hooks(joined=join))
        connection.start()
        answered.wait(ANSWER_S)
        connection.stop()
    except AgentError as error:
        return Finding(name, "fail", str(error), f"mend the file names under [{name}]", "secret_unreadable")
    finally:
        log.removeHandler(heard)
    if joined.is_set():
        return None
    told = _alert(broker) or heard.latest
    fault: Fault = next((fault for words, fault in REASONS if re.search(words, told)), "broker_silent")
    return Finding(name, "fail", f"{where}: {told}", MENDS[fault], fault)


def _alert(broker: Broker) -> str:
    """What TLS says of our certificate: in TLS 1.3 only after the handshake, to the first who reads."""
    if not broker.tls:
        return ""
    with _secured(broker) as secured:
        try:
            secured.recv(1)
        except OSError as error:  # a time-out = it has nothing against us
            return str(error) if isinstance(error, ssl.SSLError) else ""
    return ""


class _Heard(logging.Handler):
    """Keeps the latest warning: the connection says there why it was refused."""

    def __init__(self, answered: threading.Event) -> None:
        super().__init__(logging.WARNING)
        self.latest = f"no answer to MQTT within {ANSWER_S:.0f} s"
        self._answered = answered

    def emit(self, record: logging.LogRecord) -> None:
        told = record.getMessage().split("; next attempt")[0]
        self.latest = told.partition(": ")[2] or told
        self._answered.set()
