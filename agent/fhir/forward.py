"""From the inbox to a FHIR server or to NDJSON files: in order of arrival, each until it is taken.

At least once: a resource has the same id each time, and is `PUT`, so that once more changes nothing. What a server
refuses for good (4xx) is put aside with its reason; for all else we wait and try again.
"""

import json
import logging
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

import msgspec

from agent import events
from agent.consumer.inbox import Inbox, Stored
from agent.counters import Counters
from agent.errors import AgentError, PublishError, StopError
from agent.fhir.convert import ConvertError, Resource, convert

log = logging.getLogger("veille")

BATCH = 100
ANSWER_S = 30.0
"""Time that a server has to answer."""
LATER = frozenset({408, 409, 423, 425, 429})
"""Of the 4xx, those that another time may be taken."""
BACK_OFF_S = (1.0, 60.0)
IDLE_S = 0.2
"""Pause while there is nothing to pass on."""


class RefusedError(AgentError):
    """The server will never take this one: put it aside."""


class Target(Protocol):
    """Where resources go."""

    def take(self, resources: list[Resource]) -> None:
        """Keep all or none.

        Raises:
            PublishError: not now; try again.
            RefusedError: never.
        """


class Ndjson:
    """One file a type of resource in `folder`, one resource a line.

    Raises:
        StopError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StopError(f"{folder}: {error.strerror}; name another folder") from error

    def take(self, resources: list[Resource]) -> None:
        """Append and sync."""
        try:
            for resource in resources:
                with (self._folder / f"{resource['resourceType']}.ndjson").open("a", encoding="utf-8") as file:
                    file.write(json.dumps(resource, ensure_ascii=False) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise PublishError(f"{self._folder}: {error.strerror}; make room") from error


class Server:
    """A FHIR base URL; each event is one transaction.

    Raises:
        StopError: the URL or a file is not usable.
    """

    def __init__(self, base: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        if not base.startswith(("https://", "http://")):
            raise StopError(f"{base}: not a FHIR base URL; give one like https://fhir.hospital.example/r4")
        self._base, self._token_file = base.rstrip("/"), token_file
        try:
            self._context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise StopError(f"{ca_file}: {error}; give a file with certificates") from error

    def take(self, resources: list[Resource]) -> None:
        """POST one transaction bundle."""
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        try:
            with urllib.request.urlopen(self._request(bundle), timeout=ANSWER_S, context=self._context):  # noqa: S310 - checked in __init__
                return
        except urllib.error.HTTPError as error:
            why = f"{error.code} {error.reason}: {error.read(2000).decode(errors='replace')}"
            if error.code >= 500 or error.code in LATER:
                raise PublishError(why) from error
            raise RefusedError(why) from error
        except OSError as error:  # includes URLError and time-outs
            raise PublishError(str(error)) from error

    def _request(self, bundle: dict[str, Any]) -> urllib.request.Request:
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        if self._token_file is not None:  # read anew: tokens are renewed
            headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
        return urllib.request.Request(self._base, json.dumps(bundle).encode(), headers, method="POST")  # noqa: S310 - checked in __init__


class Forwarder:
    """Passes on what the inbox holds; counts `forwarded`, `superseded`, `refused`, `retries`."""

    def __init__(self, inbox: Inbox, target: Target, counters: Counters) -> None:
        self._inbox, self._target, self._counters = inbox, target, counters
        self._failures = 0

    def turn(self) -> float:
        """Pass on a batch; returns the seconds until the next turn.

        Raises:
            OutboxError: the inbox cannot be written.
        """
        waiting = self._inbox.unforwarded(BATCH)
        try:
            for stored in waiting:
                self._one(stored)
                self._failures = 0
        except PublishError as error:
            self._failures += 1
            self._counters.count("retries")
            first_s, longest_s = BACK_OFF_S
            delay_s = min(longest_s, first_s * 2.0 ** min(self._failures - 1, 30))
            log.warning("not taken: %s; next attempt in %.0f s", error, delay_s)
            return delay_s
        return 0.0 if len(waiting) == BATCH else IDLE_S

    def _one(self, stored: Stored) -> None:
        if self._inbox.superseded(stored):
            self._counters.count("superseded")
            self._inbox.forwarded([stored.arrival])
            return
        try:
            self._target.take(convert(events.decode(stored.payload)))
        except (RefusedError, ConvertError, msgspec.DecodeError) as error:
            self._counters.count("refused")
            log.warning("event %s is put aside: %s", stored.id, error)
            self._inbox.forwarded([stored.arrival], f"refused: {error}"[:2000])
            return
        self._counters.count("forwarded")
        self._inbox.forwarded([stored.arrival])
