"""One error tree, ordered by what the caller does next: stop, reopen, retry, or count and go on."""


class AgentError(Exception):
    """Root of all errors that Veille raises on purpose; the message says what is wrong, where, and what to do."""


class StopError(AgentError):
    """Nothing can go on until a person changes something: stop, show the message, exit status 2."""


class SettingsError(StopError):
    """A setting is unknown, missing, of the wrong type or out of range."""


class BundleError(StopError):
    """The bundle is truncated, altered, too new, or fails its golden replay; the one in service stays."""


class RecordingError(StopError):
    """A recording cannot be read as what it claims to be (columns, times, unit)."""


class UpdateError(AgentError):
    """A newer bundle cannot be had, or is refused: the one in service stays, try again later."""


class SourceError(AgentError):
    """A source of packets broke off: close it and open it again."""


class ClockError(AgentError):
    """The gateway's clock was set back: start again, so that what comes now is not taken for long past."""


class PublishError(AgentError):
    """The broker did not take a message: keep the row and try again later."""


class MemoryFileError(AgentError):
    """What was known of the wearers cannot be used: set it aside, start from the population, count it."""


class OutboxError(AgentError):
    """The outbox cannot be written (disk full, read-only): events stay in memory, try again.

    Attributes:
        disk_full: it is room that lacks.
    """

    disk_full = False


class PacketError(AgentError):
    """One packet is refused: count it under `reason`, tell the log, go on with the next.

    Attributes:
        reason: short stable name, a key of the counters in `/health` (for example `unit_mismatch`).
        where: `wearer/position`, or the topic where these are not known.
    """

    def __init__(self, reason: str, where: str, detail: str) -> None:
        where, detail = where[-200:], detail[:300]  # a sender's own words may be a megabyte
        super().__init__(f"{where}: {reason}: {detail}")
        self.reason = reason
        self.where = where
        self.detail = detail


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its name: messages of libraries run over several."""
    return next(iter(str(error).splitlines()), type(error).__name__)
