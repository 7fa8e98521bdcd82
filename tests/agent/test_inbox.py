"""The reference consumer's store: each event once, in order whatever the order of arrival, newer kinds too."""

import json
from pathlib import Path

import msgspec
import pytest

from agent.consumer.inbox import Envelope, Inbox
from agent.consumer.listen import topics
from agent.consumer.settings import ConsumerSettings, read_settings
from agent.errors import OutboxError, SettingsError


@pytest.fixture
def inbox(tmp_path):
    one = Inbox(tmp_path / "inbox.sqlite")
    yield one
    one.close()


def arrival(name: str, seq: int, revision: int = 0, source: str = "veille/s/g", subject: str = "anna", **more):
    body = {"id": name, "source": source, "type": "org.veille.event.mood.v9", "subject": subject, "seq": seq}
    payload = json.dumps(body | {"data": {"revision": revision, "mood": "calm"}} | more).encode()
    return msgspec.json.decode(payload, type=Envelope), payload


def replayed(inbox, *arguments) -> list[int]:
    return [json.loads(payload)["seq"] for payload in inbox.replay(*arguments)]


def test_each_event_is_stored_once(inbox):
    assert inbox.put([arrival("a", 1), arrival("b", 2), arrival("a", 1)], 0.0) == [True, True, False]
    assert inbox.put([arrival("a", 7), arrival("a", 3, revision=1)], 0.0) == [False, True]  # scored again: another seq
    assert inbox.put([arrival("a", 1, source="veille/s/other")], 0.0) == [True]
    assert inbox.count() == 4


def test_a_replay_is_in_the_order_of_seq(inbox):
    inbox.put([arrival("c", 30), arrival("a", 10), arrival("b", 20, subject="ben")], 5.0)
    inbox.put([arrival("d", 5)], 9.0)
    assert replayed(inbox) == [5, 10, 20, 30]
    assert replayed(inbox, "anna") == [5, 10, 30]
    assert replayed(inbox, None, 6.0) == [5]


def test_what_is_old_is_forgotten(inbox):
    inbox.put([arrival("a", 1)], 100.0)
    inbox.put([arrival("b", 2)], 200.0)
    inbox.forget(150.0)
    assert replayed(inbox) == [2]


def test_an_inbox_that_cannot_be_written_acknowledges_nothing(inbox, tmp_path):
    inbox._db.execute("PRAGMA query_only = ON")
    with pytest.raises(OutboxError, match="nothing is acknowledged"):
        inbox.put([arrival("a", 1)], 0.0)
    inbox._db.execute("PRAGMA query_only = OFF")
    assert inbox.put([arrival("a", 1)], 0.0) == [True]
    with pytest.raises(OutboxError):
        Inbox(tmp_path / "nowhere" / "inbox.sqlite")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('name = "ehr"', ["veille/v1/+/+/wearer/+/event/+", "veille/v1/+/+/status"]),
        (
            'name = "ehr"\nsite = "w"\ngateway = "g"\nwearers = ["a", "b"]',
            ["veille/v1/w/g/wearer/a/event/+", "veille/v1/w/g/wearer/b/event/+", "veille/v1/w/g/status"],
        ),
        ('name = "ehr"\nshared = true', ["$share/ehr/veille/v1/+/+/wearer/+/event/+", "veille/v1/+/+/status"]),
    ],
)
def test_settings_say_what_is_subscribed_to(tmp_path, text, found):
    path = tmp_path / "consumer.toml"
    path.write_text(text)
    assert topics(read_settings(path)) == found


@pytest.mark.parametrize("text", ['name = "a/b"', 'name = "ehr"\ngateway = "#"', 'nam = "ehr"', "", "name ="])
def test_settings_that_are_wrong_are_told_in_one_line(tmp_path, text):
    path = tmp_path / "consumer.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"consumer\.toml"):
        read_settings(path)


def test_the_example_of_the_help_is_whole(tmp_path):
    from agent.consumer.__main__ import PAGE

    path = Path(tmp_path / "consumer.toml")
    path.write_text(PAGE.split("A consumer.toml:")[1])
    assert isinstance(read_settings(path), ConsumerSettings)
