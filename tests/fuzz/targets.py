"""What is fuzzed, by name: each takes any bytes, and lets nothing through but errors of `agent/errors.py`."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple, Protocol


class Target(Protocol):
    """Called with any bytes; what it raises is a finding."""

    most_bytes: int
    words: tuple[str, ...]
    """That the fuzzer may put in."""

    def seeds(self) -> list[bytes]:
        """Inputs to begin with."""

    def __call__(self, content: bytes) -> None: ...


class Where(NamedTuple):
    """A target, loaded only when it is its turn: so just what it tries is instrumented."""

    module: str
    kind: str
    watched: tuple[str, ...]
    """Modules whose branches guide the fuzzer."""
    one_in: int = 1
    """Tried with one input for so many of the others, for it is slow."""
    growth_mb: float = 4.0
    """That its memory may show over the last three quarters of a tenth of the inputs."""

    def make(self) -> Target:
        kind: Callable[[], Target] = getattr(import_module(self.module), self.kind)
        return kind()


PACKETS = ("agent.sources", "agent.ingest", "agent.clocks", "agent.resample", "agent.sanity", "agent.windows")
INSIDE = ("agent.contents", "agent.evidence", "agent.known", "agent.calibrate", "agent.score", "agent.manifest")
SIGNED = ("agent.signature", "securesystemslib", "tuf")
TARGETS = {
    "packets_json": Where("tests.fuzz.packets", "JsonPackets", PACKETS),
    "packets_binary": Where("tests.fuzz.packets", "BinaryPackets", PACKETS),
    "packets_in_streams": Where("tests.fuzz.packets", "StreamPackets", PACKETS, one_in=10),
    "acknowledgements": Where("tests.fuzz.broker", "Acks", ("agent.acks", "agent.outbox")),
    "questions": Where("tests.fuzz.broker", "Asks", ("agent.asks", "agent.whole", "agent.picture")),
    "settings": Where("tests.fuzz.files", "SettingsFile", ("agent.settings", "tomllib")),
    "bundle_manifest": Where("tests.fuzz.files", "ManifestFile", ("agent.manifest", "agent.layout")),
    # Of a refused root file some 0.4 kB stay with the libraries, none of it Python's; a gateway reads one root file at
    # a start and at an update.
    "bundle_signature": Where("tests.fuzz.signatures", "Signature", SIGNED, growth_mb=40.0),
    "bundle_archive": Where("tests.fuzz.files", "ArraysFile", ("agent.arrays", "zipfile")),
    "bundle_numbers": Where("tests.fuzz.files", "ArraysInside", INSIDE),
    "bundle_whole": Where("tests.fuzz.files", "WholeBundle", (*INSIDE, "agent.bundle", "agent.golden"), one_in=50),
}
