"""Packets of the last seconds outlive a kill, not a reboot, and never grow."""

from agent.sources.tail import MAX_BYTES, SPAN_S, Tail


def arrivals(first: int, last: int) -> list[tuple[str, bytes, float]]:
    return [("t/anna/waist", bytes([n % 256]) * 20, n / 10) for n in range(first, last)]


def test_what_a_killed_agent_had_is_recalled_in_order(tmp_path):
    tail = Tail(tmp_path)
    for arrival in arrivals(0, 30):
        tail.keep(arrival)
    assert Tail(tmp_path).recall(3.0) == arrivals(0, 30)  # never closed, as after a kill


def test_at_least_the_span_is_kept_and_at_most_twice_as_much(tmp_path):
    tail = Tail(tmp_path)
    for now in range(200):
        tail.keep(arrivals(now, now + 1)[0])
        found = tail.recall(now / 10)
        assert found == arrivals(now + 1 - len(found), now + 1)
        assert min(now + 1, SPAN_S * 10) <= len(found) <= 2 * SPAN_S * 10 + 2


def test_what_is_older_is_not_taken_for_news(tmp_path):
    tail = Tail(tmp_path)
    for arrival in arrivals(0, 30):
        tail.keep(arrival)
    assert Tail(tmp_path).recall(3600.0) == []
    assert Tail(tmp_path).recall(-3600.0) == []  # the clock was set back


def test_a_second_life_goes_on_where_the_first_ended(tmp_path):
    for first in (0, 10, 20):
        tail = Tail(tmp_path)
        for arrival in arrivals(first, first + 10):
            tail.keep(arrival)
    assert Tail(tmp_path).recall(3.0)[-10:] == arrivals(20, 30)


def test_a_torn_record_ends_the_reading(tmp_path):
    tail = Tail(tmp_path)
    for arrival in arrivals(0, 10):
        tail.keep(arrival)
    path = tmp_path / "packets.new"
    path.write_bytes(path.read_bytes()[:-3])
    assert Tail(tmp_path).recall(1.0) == arrivals(0, 9)


def test_a_flood_does_not_fill_the_memory(tmp_path):
    tail = Tail(tmp_path)
    for _ in range(50):
        tail.keep(("t/anna/waist", bytes(1 << 20), 1.0))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * (MAX_BYTES + (2 << 20))


def test_a_folder_that_takes_nothing_is_told_once(tmp_path, caplog):
    tail = Tail(tmp_path)
    tail.close()
    tail._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
    for arrival in arrivals(0, 3):
        tail._since_s = arrival[2]
        tail.keep(arrival)
    assert len(caplog.records) == 1
