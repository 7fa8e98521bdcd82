"""Where packets come from: one protocol, so that a replayed file takes exactly the path of a live wearable."""

from typing import Protocol

from agent.records import Packet


class Source(Protocol):
    """A stream of packets from all wearables of a gateway."""

    def read(self, now_s: float) -> list[Packet]:
        """All packets that have come by `now_s` (seconds, the gateway's clock), in order of arrival; never blocks."""

    def close(self) -> None:
        """Let go of files, sockets and threads; packets not yet read are lost."""
