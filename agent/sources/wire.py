"""Packets on the wire: a JSON form that anyone can write by hand, and a compact binary form.

**JSON**, one object; unknown fields are ignored::

    {"t": 1732350000.0, "rate_hz": 50, "samples": [[0.01, -0.02, 1.0], [0.02, null, 0.99]]}

    samples  (n, 3) numbers x, y, z; null = missing (a NaN or an infinity is taken as missing too)
    t        device time in seconds of the FIRST sample, or a list with one time per sample;
             left out: the LAST sample is taken as measured when the packet was received
    rate_hz  samples a second, 5..1000; not needed for a single sample or where `t` is a list
    unit     "g" (default), "mg" or "m/s2"
    seq      optional packet number, a whole number >= 0

**Binary**, little-endian, `24 + 6 n` bytes, told from JSON by its first two bytes::

    offset  type     field
         0  2 bytes  magic, ASCII "VP" (0x56 0x50)
         2  u8       version, 1
         3  u8       flags: bit 0 = `t` holds a time, bit 1 = `seq` holds a number; the others are 0
         4  u16      n, number of samples, 1..10,000
         6  u16      reserved: write 0, not read
         8  f64      t, device time in seconds of the first sample (see bit 0)
        16  f32      rate, samples a second, 5..1000 (not read where n = 1)
        20  u32      seq (see bit 1)
        24  i16 x 3  x, y, z of the first sample in 1/1000 g; -32768 = missing; then the other samples
"""

import json
import struct
from typing import Annotated, Any, Literal, NoReturn

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from agent.errors import PacketError
from agent.records import Floats, Packet, Singles

MAGIC = b"VP"
VERSION = 1
HAS_TIME, HAS_SEQ = 1, 2
"""Flags of the binary form."""
HEADER = struct.Struct("<2sBBHHdfI")
MISSING_MG = -32768

MAX_BYTES = 1 << 20
"""A larger payload is refused unread."""
MAX_SAMPLES = 10_000
LATEST_S = 1e11
"""No time in seconds lies beyond the year 5000; milliseconds since 1970 do."""
RATE_HZ = (5.0, 1000.0)
"""Slowest and fastest rate that a packet may claim."""

Unit = Literal["g", "mg", "m/s2"]
UNITS_G: dict[Unit, float] = {"g": 1.0, "mg": 1e-3, "m/s2": 1 / 9.80665}
"""How many g one unit is (standard gravity, exact)."""

Value = float | None


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON form; see the module's docstring."""

    samples: list[tuple[Value, Value, Value]]
    t: float | list[float] | None = None
    rate_hz: float | None = None
    unit: Unit = "g"
    seq: Annotated[int, msgspec.Meta(ge=0)] | None = None


def decode(wearer: str, position: str, payload: bytes, received_s: float) -> Packet:
    """Read a packet of either form.

    Args:
        wearer: pseudonym, from the topic.
        position: where the sensor sits, from the topic.
        payload: at most 1 MiB.
        received_s: when it reached the gateway, seconds on the gateway's clock.

    Raises:
        PacketError: reason `empty_packet`, `too_large`, `not_json`, `bad_fields`, `bad_version`, `truncated`,
            `bad_rate`, `bad_time`, `non_finite` (a time, or every value) or `time_backwards`. Values are not judged
            here: a packet in the wrong unit is passed on, `ingest` names it.
    """
    where = f"{wearer}/{position}"
    if not payload:
        raise PacketError("empty_packet", where, "no payload")
    if len(payload) > MAX_BYTES:
        raise PacketError("too_large", where, f"more than {MAX_BYTES} bytes; send shorter packets")
    read = _read_binary if payload.startswith(MAGIC) else _read_json
    times_s, samples_g = read(payload, received_s, where)
    return Packet(wearer, position, times_s, _finite_samples(samples_g, where), received_s)


def encode_json(
    samples: ArrayLike,
    *,
    t: float | list[float] | None = None,
    rate_hz: float | None = None,
    unit: Unit = "g",
    seq: int | None = None,
) -> bytes:
    """Write the JSON form; `samples` is (n, 3) in `unit`, NaN = missing."""
    rows = [tuple(None if np.isnan(value) else float(value) for value in row) for row in np.asarray(samples, float)]
    body: dict[str, Any] = {"t": t, "rate_hz": rate_hz, "unit": unit, "seq": seq, "samples": rows}
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def encode_binary(samples_g: ArrayLike, *, rate_hz: float, t: float | None = None, seq: int | None = None) -> bytes:
    """Write the binary form; `samples_g` is (n, 3) in g, NaN = missing, cut off at +-32.767 g."""
    milli = np.clip(np.round(np.asarray(samples_g, float) * 1000.0), -32767, 32767)
    values = np.where(np.isnan(milli), MISSING_MG, milli).astype("<i2")
    flags = HAS_TIME * (t is not None) | HAS_SEQ * (seq is not None)
    return HEADER.pack(MAGIC, VERSION, flags, len(values), 0, t or 0.0, rate_hz, seq or 0) + values.tobytes()


def _read_json(payload: bytes, received_s: float, where: str) -> tuple[Floats, Floats]:
    body = _body(payload, where)
    count = len(body.samples)
    _check_count(count, where)
    # None becomes NaN, and so does an infinity, later.
    samples = np.array(body.samples, dtype=np.float64) * UNITS_G[body.unit]
    if isinstance(body.t, list):
        return _listed_times(body.t, count, where), samples
    return _even_times(body.t, body.rate_hz, count, received_s, where), samples


def _body(payload: bytes, where: str) -> Body:
    """The typed fields. `json.dumps` of many languages writes NaN and Infinity, so these are read as well."""
    try:
        return msgspec.json.decode(payload, type=Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        strict = error
    try:
        return msgspec.convert(json.loads(payload), Body)
    except msgspec.ValidationError as error:
        raise PacketError("bad_fields", where, str(error)) from None
    except (ValueError, RecursionError):
        raise PacketError("not_json", where, str(strict)) from None


def _read_binary(payload: bytes, received_s: float, where: str) -> tuple[Floats, Floats]:
    if len(payload) < HEADER.size:
        raise PacketError("truncated", where, f"{len(payload)} bytes, the header alone has {HEADER.size}")
    _, version, flags, count, _, t, rate_hz, _ = HEADER.unpack_from(payload)
    if version != VERSION:
        raise PacketError("bad_version", where, f"binary version {version}, this agent reads {VERSION}")
    if flags & ~(HAS_TIME | HAS_SEQ):
        raise PacketError("bad_fields", where, f"unknown flags {flags:#04x}")
    _check_count(count, where)
    _check_length(len(payload), HEADER.size + 6 * count, where)
    values = np.frombuffer(payload, "<i2", offset=HEADER.size).reshape(count, 3)
    samples = np.where(values == MISSING_MG, np.nan, values / 1000.0)
    return _even_times(t if flags & HAS_TIME else None, rate_hz, count, received_s, where), samples


def _check_length(found: int, wanted: int, where: str) -> None:
    if found < wanted:
        raise PacketError("truncated", where, f"{found} bytes instead of {wanted}")
    if found > wanted:
        raise PacketError("bad_fields", where, f"{found - wanted} bytes too many")


def _check_count(count: int, where: str) -> None:
    if count == 0:
        raise PacketError("empty_packet", where, "no samples")
    if count > MAX_SAMPLES:
        raise PacketError("too_large", where, f"{count} samples, at most {MAX_SAMPLES}; send shorter packets")


def _listed_times(times: list[float], count: int, where: str) -> Floats:
    if len(times) != count:
        raise PacketError("bad_fields", where, f"{len(times)} times for {count} samples")
    times_s = _forward(np.array(times, dtype=np.float64), where)
    if count > 2:  # two samples alone may well straddle a gap
        _check_rate(1.0 / float(np.median(np.diff(times_s))), where)
    return times_s


def _even_times(t: float | None, rate_hz: float | None, count: int, received_s: float, where: str) -> Floats:
    """(n,) times on an even grid: from `t` on, or up to `received_s`."""
    if count == 1:
        step_s = 0.0
    elif rate_hz is None:
        raise PacketError("bad_fields", where, "rate_hz is missing; it can be left out only if t is a list")
    else:
        _check_rate(rate_hz, where)
        step_s = 1.0 / rate_hz
    first_s = received_s - (count - 1) * step_s if t is None else t
    times_s: Floats = first_s + np.arange(count, dtype=np.float64) * step_s
    return _forward(times_s, where)


def _check_rate(rate_hz: float, where: str) -> None:
    if not RATE_HZ[0] <= rate_hz <= RATE_HZ[1]:  # a NaN fails too
        raise PacketError("bad_rate", where, f"{rate_hz:g} Hz is outside {RATE_HZ[0]:g}..{RATE_HZ[1]:g} Hz")


def _forward(times_s: Floats, where: str) -> Floats:
    """`times_s` where every time is finite and later than the one before."""
    if not np.isfinite(times_s).all():
        raise PacketError("non_finite", where, "a time is not a finite number")
    if np.abs(times_s).max(initial=0.0) > LATEST_S:
        raise PacketError("bad_time", where, f"{times_s[0]:g} is no time in seconds; milliseconds?")
    steps = np.diff(times_s)
    if (steps <= 0).any():
        _refuse_order(int(np.argmax(steps <= 0)), times_s, where)
    return times_s


def _refuse_order(at: int, times_s: Floats, where: str) -> NoReturn:
    detail = f"sample {at + 1} at {times_s[at + 1]:.3f} s does not follow {times_s[at]:.3f} s"
    raise PacketError("time_backwards", where, detail)


def _finite_samples(samples_g: Floats, where: str) -> Singles:
    """(n, 3) in single precision; what is no finite number is missing."""
    with np.errstate(over="ignore"):
        singles = samples_g.astype(np.float32)
    finite = np.isfinite(singles)
    if not finite.any():
        raise PacketError("non_finite", where, "no sample holds a finite number")
    singles[~finite] = np.nan
    return singles
