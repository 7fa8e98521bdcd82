"""Packets of both forms are read to the digit, and nothing that a stranger sends can do more than be refused."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.errors import PacketError
from agent.records import Packet
from agent.sources import wire

NOW_S = 1_732_350_000.0
REASONS = {
    "empty_packet",
    "too_large",
    "not_json",
    "bad_fields",
    "bad_version",
    "truncated",
    "bad_rate",
    "bad_time",
    "non_finite",
    "time_backwards",
}


def decode(payload: bytes) -> Packet:
    return wire.decode("w1", "left_wrist", payload, NOW_S)


def reason(payload: bytes) -> str:
    with pytest.raises(PacketError) as caught:
        decode(payload)
    assert caught.value.where == "w1/left_wrist"
    return caught.value.reason


def body(**fields) -> bytes:
    """JSON as a careless sender writes it: Python's own, with NaN and Infinity."""
    return json.dumps({"t": 100.0, "rate_hz": 50, "samples": [[0, 0, 1], [0.1, 0, 1]], **fields}).encode()


def test_a_packet_written_by_hand_is_read():
    packet = decode(b'{"t": 1732350000.0, "rate_hz": 50, "samples": [[0.5, -0.25, 1], [0, null, 2]]}')
    assert (packet.wearer, packet.position, packet.received_s) == ("w1", "left_wrist", NOW_S)
    np.testing.assert_allclose(packet.times_s, [1_732_350_000.0, 1_732_350_000.02])
    np.testing.assert_array_equal(packet.samples_g, np.float32([[0.5, -0.25, 1], [0, np.nan, 2]]))
    assert packet.samples_g.dtype == np.float32
    assert packet.times_s.dtype == np.float64


def test_without_a_time_the_last_sample_is_taken_as_measured_now():
    packet = decode(b'{"rate_hz": 10, "samples": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}')
    np.testing.assert_allclose(packet.times_s, [NOW_S - 0.2, NOW_S - 0.1, NOW_S])


def test_one_time_per_sample_needs_no_rate():
    packet = decode(b'{"t": [1.0, 1.05, 1.2], "samples": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}')
    np.testing.assert_array_equal(packet.times_s, [1.0, 1.05, 1.2])


def test_a_single_sample_needs_neither_time_nor_rate():
    np.testing.assert_array_equal(decode(b'{"samples": [[0, 0, 1]]}').times_s, [NOW_S])


@pytest.mark.parametrize(("unit", "of_one_g"), [("g", 1.0), ("mg", 1000.0), ("m/s2", 9.80665)])
def test_units_become_g(unit, of_one_g):
    packet = decode(body(unit=unit, samples=[[0, 0, of_one_g], [of_one_g, 0, 0]]))
    np.testing.assert_allclose(packet.samples_g, [[0, 0, 1], [1, 0, 0]], rtol=1e-6)


def test_fields_of_a_newer_sender_are_ignored():
    assert len(decode(body(battery=0.7, seq=3)).times_s) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_single_value_that_is_no_finite_number_is_missing(value):
    packet = decode(body(samples=[[value, 0, 1], [0, 0, 1]]))
    assert np.isnan(packet.samples_g[0, 0])
    assert np.isfinite(packet.samples_g).sum() == 5


def test_a_number_beyond_double_precision_is_missing():
    packet = decode(b'{"rate_hz": 50, "samples": [[1e999, 0, 1], [0, 0, 1]]}')
    assert np.isnan(packet.samples_g[0, 0])


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", "empty_packet"),
        (body(samples=[]), "empty_packet"),
        (b"hello", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 200_000, "not_json"),
        (b"{'t': 1}", "not_json"),
        (b"[1, 2]", "bad_fields"),
        (b"{}", "bad_fields"),
        (body(samples=[[1, 2]]), "bad_fields"),
        (body(samples=[[1, 2, "three"]]), "bad_fields"),
        (body(unit="furlong"), "bad_fields"),
        (body(t="now"), "bad_fields"),
        (body(seq=-1), "bad_fields"),
        (body(t=[1.0]), "bad_fields"),
        (b'{"samples": [[0, 0, 1], [0, 0, 1]]}', "bad_fields"),
        (body(rate_hz=4.9), "bad_rate"),
        (body(rate_hz=1001), "bad_rate"),
        (body(rate_hz=0), "bad_rate"),
        (body(rate_hz=-50), "bad_rate"),
        (body(rate_hz=math.nan), "bad_rate"),
        (body(t=[0, 20, 40], samples=[[0, 0, 1]] * 3), "bad_rate"),  # milliseconds
        (body(t=math.nan), "non_finite"),
        (body(t=[0, math.inf]), "non_finite"),
        (b'{"t": 1e999, "rate_hz": 50, "samples": [[0, 0, 1]]}', "non_finite"),
        (body(samples=[[math.nan] * 3, [math.inf] * 3]), "non_finite"),
        (body(samples=[[None] * 3] * 5), "non_finite"),
        (body(t=[2.0, 1.0]), "time_backwards"),
        (body(t=[1.0, 1.0]), "time_backwards"),
        (body(t=1e18), "bad_time"),
        (body(t=1.7e12), "bad_time"),  # milliseconds
        (body(t=[0.0, 1e25]), "bad_time"),
        (body(samples=[[0, 0, 1]] * 10_001), "too_large"),
        (b" " * (wire.MAX_BYTES + 1), "too_large"),
    ],
)
def test_bad_json_is_refused_by_name(payload, expected):
    assert reason(payload) == expected


def test_the_largest_packet_is_read():
    assert len(decode(body(samples=[[0, 0, 1]] * wire.MAX_SAMPLES)).times_s) == wire.MAX_SAMPLES


def test_the_binary_form_is_as_documented():
    payload = bytes.fromhex(
        "5650 01 03 0200 0000"  # magic, version, flags, two samples, reserved
        "0000200c64d0d941 00004842 07000000"  # t, rate, seq
        "f401 06ff e803  0000 0080 d007"
    )
    samples = [[0.5, -0.25, 1], [0, np.nan, 2]]
    assert wire.encode_binary(samples, rate_hz=50, t=1_732_350_000.5, seq=7) == payload
    packet = decode(payload)
    np.testing.assert_array_equal(packet.samples_g, np.float32(samples))
    np.testing.assert_allclose(packet.times_s, [1_732_350_000.5, 1_732_350_000.52])


def binary(**changed: bytes) -> bytes:
    """A good packet of two samples, with bytes changed at an offset (`at4=b"..."`)."""
    payload = bytearray(wire.encode_binary([[0, 0, 1], [0, 0, 1]], rate_hz=50, t=1.0))
    for name, value in changed.items():
        at = int(name.removeprefix("at"))
        payload[at : at + len(value)] = value
    return bytes(payload)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"VP", "truncated"),
        (binary()[:-1], "truncated"),
        (binary() + b"\0", "bad_fields"),
        (binary(at2=b"\2"), "bad_version"),
        (binary(at3=b"\x81"), "bad_fields"),
        (binary(at4=b"\0\0"), "empty_packet"),
        (binary(at4=b"\xff\xff"), "too_large"),
        (binary(at8=np.float64("nan").tobytes()), "non_finite"),
        (binary(at16=np.float32("inf").tobytes()), "bad_rate"),
        (binary(at16=np.float32(1).tobytes()), "bad_rate"),
        (binary(at24=b"\x00\x80" * 6), "non_finite"),
        (b"VQ" + binary()[2:], "not_json"),
    ],
)
def test_bad_binary_is_refused_by_name(payload, expected):
    assert reason(payload) == expected


def test_binary_cuts_off_what_does_not_fit():
    packet = decode(wire.encode_binary([[40, -40, 1]], rate_hz=50))
    np.testing.assert_allclose(packet.samples_g, [[32.767, -32.767, 1]], rtol=1e-6)


SAMPLES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 40), st.just(3)),
    elements=st.one_of(st.floats(-32.7, 32.7), st.just(math.nan)),
).filter(lambda samples: bool(np.isfinite(samples).any()))
RATES = st.floats(5, 1000, width=32)
TIMES = st.one_of(st.none(), st.floats(0, 2e9))


@given(SAMPLES, RATES, TIMES)
def test_json_comes_back_to_single_precision(samples, rate_hz, t):
    packet = decode(wire.encode_json(samples, t=t, rate_hz=rate_hz))
    np.testing.assert_array_equal(packet.samples_g, samples.astype(np.float32))
    first_s = NOW_S - (len(samples) - 1) / rate_hz if t is None else t
    np.testing.assert_allclose(packet.times_s, first_s + np.arange(len(samples)) / rate_hz, atol=1e-6)


@given(SAMPLES, RATES, TIMES)
def test_binary_comes_back_to_half_a_milli_g(samples, rate_hz, t):
    packet = decode(wire.encode_binary(samples, rate_hz=rate_hz, t=t))
    np.testing.assert_allclose(packet.samples_g, samples, atol=0.000502)
    first_s = NOW_S - (len(samples) - 1) / rate_hz if t is None else t
    np.testing.assert_allclose(packet.times_s, first_s + np.arange(len(samples)) / rate_hz, atol=1e-6)


def read_or_refuse(payload: bytes) -> None:
    """What must hold whatever comes: a sound packet, or a refusal with a known name."""
    try:
        packet = decode(payload)
    except PacketError:
        assert reason(payload) in REASONS
        return
    count = len(packet.times_s)
    assert packet.samples_g.shape == (count, 3)
    assert 1 <= count <= wire.MAX_SAMPLES
    assert np.isfinite(packet.times_s).all()
    assert (np.diff(packet.times_s) > 0).all()
    assert not np.isinf(packet.samples_g).any()


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused(payload):
    read_or_refuse(payload)


@given(st.binary(max_size=60))
def test_random_bytes_behind_a_good_start_are_read_or_refused(tail):
    read_or_refuse(b"VP\x01" + tail)
    read_or_refuse(b'{"rate_hz": 50, "samples": [[' + tail)


@given(st.integers(0, 35), st.integers(0, 255))
def test_a_binary_packet_with_a_wrong_byte_is_read_or_refused(at, value):
    read_or_refuse(binary(**{f"at{at}": bytes([value])}))


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=10,
)


@given(ANYTHING, ANYTHING, ANYTHING)
def test_any_json_is_read_or_refused(t, rate_hz, samples):
    read_or_refuse(json.dumps({"t": t, "rate_hz": rate_hz, "samples": samples}).encode())
