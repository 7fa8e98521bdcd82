"""What waited is sent in order, at a bounded rate, and again only as often as it is of use."""

import itertools

import pytest

from agent.backlog import AGAIN_S, ASKED_S, WINDOW, Backlog


def drain(backlog: Backlog, rows: list[int], now_s: float, live: int = 0) -> list[int]:
    """Send what may go now out of `rows`."""
    many = backlog.allowance(live, now_s)
    due = [seq for seq in rows if backlog.after < seq <= backlog.until][:many]
    if many:
        backlog.sent(due, many, now_s)
    return due


def sent_in(backlog: Backlog, rows: list[int], from_s: float, seconds: float, live: int = 0) -> list[int]:
    """All that goes within some seconds, asked every 10 ms."""
    steps = int(seconds / 0.01) + 1
    return [seq for n in range(steps) for seq in drain(backlog, rows, from_s + n * 0.01, live)]


def test_rows_go_in_order_and_not_faster_than_allowed():
    backlog, rows = Backlog(100.0, repeats=False), list(range(1, 1001))
    backlog.begin(1000, 0.0)
    sent = sent_in(backlog, rows, 0.0, 5.0)
    assert sent == rows[: len(sent)]
    assert 480 <= len(sent) <= 520


def test_after_a_pause_no_burst_makes_up_for_it():
    backlog, rows = Backlog(100.0, repeats=False), list(range(1, 1001))
    backlog.begin(1000, 0.0)
    drain(backlog, rows, 0.0)
    assert len(drain(backlog, rows, 500.0)) <= 10


def test_where_the_brokers_word_is_enough_one_pass_does():
    backlog = Backlog(1000.0, repeats=False)
    backlog.begin(10, 0.0)
    assert sent_in(backlog, list(range(1, 11)), 0.0, 1.0) == list(range(1, 11))
    assert backlog.done
    assert sent_in(backlog, list(range(1, 11)), 1.0, 100.0, live=20) == []


def test_unanswered_rows_are_sent_again_ever_more_rarely():
    backlog, rows = Backlog(1000.0, repeats=True), [1, 2, 3]
    backlog.begin(3, 0.0)
    times = []
    for second in range(3000):
        times += [second] * bool(drain(backlog, rows, float(second), live=3))
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses[0] >= AGAIN_S[0]
    assert pauses == sorted(pauses)
    assert len(times) < 10


def test_a_new_row_that_nobody_answers_is_sent_again_within_a_minute():
    backlog = Backlog(1000.0, repeats=True)
    backlog.begin(0, 0.0)
    again = [n for n in range(200) if drain(backlog, [1], float(n), live=1)]  # row 1 went out at once, at 0 s
    assert AGAIN_S[0] <= again[0] <= 2 * AGAIN_S[0] + 1


def test_a_consumer_that_is_gone_costs_one_window_a_pass():
    backlog, rows = Backlog(10_000.0, repeats=True), list(range(1, 10_001))
    backlog.begin(10_000, 0.0)
    assert len(sent_in(backlog, rows, 0.0, 5.0)) == WINDOW
    assert backlog.stalled
    backlog.progress([20_000])  # another consumer's acknowledgement of a new event is no answer
    assert backlog.stalled
    backlog.progress([5])
    assert drain(backlog, rows, 6.0)[0] == WINDOW + 1


def test_a_consumer_that_asks_is_answered_at_once_but_not_often():
    backlog, rows = Backlog(1000.0, repeats=True), [1, 2, 3]
    backlog.begin(3, 0.0)
    assert sent_in(backlog, rows, 0.0, 0.1) == rows
    backlog.ask()
    assert sent_in(backlog, rows, 1.0, 0.1, live=3) == rows
    backlog.ask()
    assert sent_in(backlog, rows, 2.0, 1.0, live=3) == []
    assert sent_in(backlog, rows, 1.0 + ASKED_S, 0.5, live=3) == rows


def test_rows_that_grow_old_before_there_is_room_join_the_pass_in_order():
    backlog, rows = Backlog(50.0, repeats=False), list(range(1, 31))
    backlog.begin(10, 0.0)
    assert drain(backlog, rows, 0.005) == [1, 2, 3, 4, 5]
    backlog.extend(12, 20)  # 11 and 12 went out as new; once more does no harm
    assert sent_in(backlog, rows, 0.2, 1.0) == list(range(6, 21))
    backlog.extend(25, 30)
    assert sent_in(backlog, rows, 2.0, 1.0) == list(range(26, 31))


@pytest.mark.parametrize("repeats", [True, False])
def test_nothing_waits_nothing_is_sent(repeats):
    backlog = Backlog(1000.0, repeats=repeats)
    backlog.begin(0, 0.0)
    assert sent_in(backlog, [], 0.0, 2.0) == []
    assert backlog.done
