"""What runs the network: one protocol, one module a runtime, loaded only when a bundle asks for it."""

from typing import Protocol

from agent.records import Singles


class Runtime(Protocol):
    """A loaded network."""

    provider: str
    """What really computes, for example `CPUExecutionProvider`; may differ from what was asked."""

    def run(self, features: Singles) -> tuple[Singles, Singles, Singles]:
        """(m, channels, samples) -> embedding, expected embedding, log-variance; each (m, d)."""
