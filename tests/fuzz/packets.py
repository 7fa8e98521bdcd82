"""Packets, as anyone on the ward's network may send them: decoded, and some put into streams and cut into windows."""

import numpy as np

from agent.counters import Counters
from agent.errors import PacketError
from agent.ingest import Streams
from agent.layout import POSITIONS, Layout
from agent.records import Packet
from agent.sources import wire
from agent.windows import Cutter, Windows
from tests.fuzz.draw import Draw

LAYOUT = Layout(positions=POSITIONS)
NOW_S = 1_800_000_000.0
FEW = np.array([[0.0, 0.0, 1.0], [0.1, np.nan, 0.9], [0.2, 0.1, 1.1]])
MANY = np.tile(FEW, (10, 1))
BINARY = [wire.encode_binary(MANY, rate_hz=50, t=t, seq=3) for t in (NOW_S, 12.5, None)]


def decoded(position: str, payload: bytes, received_s: float) -> Packet | None:
    """The packet; None where it is refused."""
    try:
        packet = wire.decode("w", position, payload, received_s)
    except PacketError:
        return None
    assert packet.samples_g.shape == (len(packet.times_s), 3)
    assert 0 < len(packet.times_s) <= wire.MAX_SAMPLES
    assert np.isfinite(packet.times_s).all()
    return packet


class JsonPackets:
    """One packet, as it comes."""

    most_bytes = 1024
    words = ("samples", "rate_hz", "unit", "seq", '"mg"', "null", "NaN", "-Infinity", "1e309", "[[0,0,1]]", "1e-9")

    def seeds(self) -> list[bytes]:
        odd = b'{"rate_hz": 5, "unit": "m/s2", "samples": [[NaN, 1e400, -Infinity], [0, 0, 1]]}'
        made = [wire.encode_json(FEW, t=[1.0, 1.02, 1.04], unit="mg"), wire.encode_json(FEW[:1], seq=1)]
        return [wire.encode_json(FEW, rate_hz=50, t=NOW_S), *made, odd]

    def __call__(self, content: bytes) -> None:
        decoded("waist", content, NOW_S)


class BinaryPackets:
    """One packet behind its magic."""

    most_bytes = 256
    words = (
        "\\x01\\x03",
        "\\x00\\x80\\x00\\x80\\x00\\x80",
        "\\x00\\x00\\x48\\x42",
        "\\x00\\x00\\xc0\\x7f",
        "\\xff\\xff",
    )

    def seeds(self) -> list[bytes]:
        return [packet[2:] for packet in (*BINARY, wire.encode_binary(MANY[:1], rate_hz=0))]

    def __call__(self, content: bytes) -> None:
        decoded("waist", wire.MAGIC + content, NOW_S)


class StreamPackets:
    """Up to eight packets of two sensors, into streams and cut: whatever order, times, gaps and clocks they have."""

    most_bytes = 1024
    words = BinaryPackets.words

    def seeds(self) -> list[bytes]:
        sent = [bytes([5, n % 2, len(packet) - 2, 0]) + packet[2:] for n, packet in enumerate(BINARY)]
        return [b"".join(sent), *sent]

    def __call__(self, content: bytes) -> None:
        draw, received_s = Draw(content), NOW_S
        streams = Streams(LAYOUT, Counters(), max_wearers=2)
        cutter = Cutter(streams)
        for _ in range(8):
            received_s += draw.below(256) / 10
            position = draw.one_of(("waist", "left_wrist"))
            packet = decoded(position, wire.MAGIC + draw.take(draw.below(65536)), received_s)
            if packet is None:
                continue
            try:
                streams.put(packet)
            except PacketError as error:
                streams.counters.refuse(error)
            if streams.crowded:
                _check(cutter.cut())
            if not draw.left:
                break
        streams.flush()
        _check(cutter.cut(to_the_last=True))


def _check(windows: Windows) -> None:
    assert np.isfinite(windows.end_s).all()
    assert not np.isinf(windows.samples_g).any()
