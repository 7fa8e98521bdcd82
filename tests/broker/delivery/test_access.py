"""Who may come in, and who sees and says what, under the shipped configuration."""

import subprocess

import pytest

from agent.events import Topics

TOPICS = Topics("ward", "gw")
PROTOCOLS = ("mqttv5", "mqttv311")


@pytest.fixture
def broker(shipped):
    one = shipped("2.0")
    one.start()
    return one


def publish(options: list[str], topic: str, version: str = "mqttv5", message: str = "x", *more: str):
    command = ["mosquitto_pub", *options, "-V", version, "-q", "1", "-t", topic, "-m", message, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def hear(options: list[str], topic: str = "#", seconds: int = 1) -> list[str]:
    """Topics of what is retained and comes within a second."""
    command = ["mosquitto_sub", *options, "-V", "mqttv5", "-t", topic, "-F", "%t", "-W", str(seconds)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split()


def test_a_consumer_sees_its_wearers_and_nothing_else(broker, tls_options):
    """Everything a gateway says is retained here, so that it would show to whoever may see it."""
    gateway = tls_options("gw.ward", broker.tls_port)
    said = [TOPICS.status, TOPICS.describe, TOPICS.health, TOPICS.dropped]
    said += [TOPICS.event(wearer, "novelty") for wearer in ("anna", "ben")]
    said += [TOPICS.state(wearer) for wearer in ("anna", "ben")]
    for topic in said:
        assert publish(gateway, topic, "mqttv5", "x", "-r").returncode == 0
    seen = set(hear(tls_options("ward-pc", broker.tls_port)))
    # Its wearer, and of the gateway whether it lives and what it gave up: neither names a wearer.
    assert seen == {TOPICS.event("anna", "novelty"), TOPICS.state("anna"), TOPICS.status, TOPICS.dropped}
    assert set(hear(tls_options("ward-pc", broker.tls_port), f"{TOPICS.root}/wearer/ben/#")) == set()
    assert set(hear(tls_options("ops", broker.tls_port))) == {*said[:4]}
    assert set(hear(tls_options("ehr", broker.tls_port))) == {TOPICS.status, TOPICS.dropped, *said[4:]}


def test_each_writes_where_it_may_and_nowhere_else(broker, tls_options):
    may = {
        "gw.ward": [TOPICS.status, TOPICS.event("anna", "novelty"), TOPICS.health],
        "ehr": [TOPICS.ack("ehr")],
        "ward-pc": [TOPICS.ack("ward-pc")],
        "ops": [],
        "stranger": [],
    }
    topics = {topic for allowed in may.values() for topic in allowed}
    topics |= {Topics("ward", "other").status, Topics("ward", "other").ack("ehr"), TOPICS.ingest("anna", "waist")}
    for name, allowed in may.items():
        for topic in sorted(topics):
            told = publish(tls_options(name, broker.tls_port), topic)
            refused = told.returncode != 0 or "Not authorized" in told.stderr
            assert refused == (topic not in allowed), (name, topic, told.stderr)


@pytest.mark.parametrize("version", PROTOCOLS)
@pytest.mark.parametrize("who", ["expired", "revoked", "foreign", "none", "plain"])
def test_a_wrong_certificate_is_refused(broker, authority, foreign_authority, tls_options, version, who):
    ca = ["--cafile", str(authority / "ca.crt")]
    address = ["-h", "127.0.0.1", "-p", str(broker.tls_port)]
    options = {
        "expired": tls_options("expired", broker.tls_port),
        "revoked": tls_options("revoked", broker.tls_port),
        "foreign": tls_options("gw.ward", broker.tls_port, foreign_authority),
        "none": [*address, *ca],
        "plain": address,
    }[who]
    assert publish(options, TOPICS.status, version).returncode != 0


def test_the_agent_knows_its_broker_too(broker, foreign_authority, authority):
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.tls_port), "-t", TOPICS.status, "-m", "x"]
    command += ["--cafile", str(foreign_authority / "ca.crt")]
    command += ["--cert", str(authority / "gw.ward.crt"), "--key", str(authority / "gw.ward.key")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert told.returncode != 0


def test_old_tls_is_refused(broker, authority):
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{broker.tls_port}",
        "-tls1_1",
        "-cipher",
        "ALL:@SECLEVEL=0",
    ]
    told = subprocess.run(command, input="", capture_output=True, text=True, timeout=30)
    assert told.returncode != 0


def test_an_unknown_gateway_may_neither_write_nor_read(broker, tls_options):
    """Its certificate is the authority's, but nobody has granted it anything."""
    publish(tls_options("gw.ward", broker.tls_port), TOPICS.status, "mqttv5", "x", "-r")
    stranger = tls_options("stranger", broker.tls_port)
    assert "Not authorized" in publish(stranger, Topics("ward", "stranger").status).stderr
    assert hear(stranger) == []


def test_the_loopback_is_for_wearables_alone(broker, tls_options):
    plain = ["-h", "127.0.0.1", "-p", str(broker.plain_port)]
    publish(tls_options("gw.ward", broker.tls_port), TOPICS.status, "mqttv5", "x", "-r")
    assert hear(plain) == []
    assert "Not authorized" in publish(plain, TOPICS.status).stderr
    assert "Not authorized" in publish(plain, TOPICS.ack("ehr")).stderr
    assert publish(plain, TOPICS.ingest("anna", "waist"), "mqttv5", "x", "-r").returncode == 0
    assert hear(plain) == [TOPICS.ingest("anna", "waist")]
    assert hear(tls_options("ehr", broker.tls_port), f"{TOPICS.root}/ingest/#") == []


def test_the_loopback_listens_on_the_loopback_only(broker):
    text = (broker.folder / "mosquitto.conf").read_text()
    anonymous = [line for line in text.splitlines() if line.startswith(("listener", "allow_anonymous"))]
    assert anonymous[-2:] == [f"listener {broker.plain_port} 127.0.0.1", "allow_anonymous true"]
    assert anonymous.count("allow_anonymous true") == 1


def test_a_certificate_taken_back_is_refused_once_the_broker_has_read_the_list(
    broker, authority, tls_options, wait_for, deploy_script
):
    deploy_script("authority.sh", authority, "client", "leaver")
    leaver = tls_options("leaver", broker.tls_port)
    assert "Not authorized" in publish(leaver, TOPICS.status).stderr  # comes in, though nothing is granted
    deploy_script("authority.sh", authority, "revoke", "leaver")
    (broker.folder / "ca.crl").write_bytes((authority / "ca.crl").read_bytes())
    broker.reload()
    wait_for(lambda: "Not authorized" not in publish(leaver, TOPICS.status).stderr, "the list to be read")
    assert publish(leaver, TOPICS.status).returncode != 0
    assert publish(tls_options("gw.ward", broker.tls_port), TOPICS.status).returncode == 0
