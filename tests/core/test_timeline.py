"""When waiting batches start where slots and service times count, against a queue that starts one batch at a time."""

from __future__ import annotations

import heapq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import CallerTurns, InOrder, Priority, Prospect, Retry, Shares, Timeline, TokenBucket
from tests.support.timeline import FIRST, NOW, ListAside, but, timeline


@given(
    started=st.lists(st.floats(NOW - 10, NOW), max_size=8),
    slots=st.integers(1, 6),
    service=st.sampled_from([10.0, 13.5]),
)
def test_a_batch_starts_when_a_slot_is_free(started: list[float], slots: int, service: float) -> None:
    """Where more run than there are slots, a worker has left, and its batches' ends make no room."""
    ends = sorted(start + service for start in started)
    free = [NOW] * (slots - len(ends)) + ends[max(0, len(ends) - slots) :]
    made, found = timeline(started=started, slots=slots, service=service), list[float]()
    for _ in range(20):
        found.append(heapq.heappop(free))
        heapq.heappush(free, found[-1] + service)
    assert [made.starts.start(nth) for nth in range(20)] == pytest.approx(found, abs=1e-6)


def test_a_batch_that_has_outlasted_the_mean_is_expected_to_take_as_long_again_as_it_is_late() -> None:
    made = timeline(started=[NOW - 25, NOW - 12], slots=2, service=10.0)
    assert [made.starts.start(nth) for nth in range(4)] == [NOW + 2, NOW + 15, NOW + 12, NOW + 25]


def test_what_slots_allow_waits_for_the_limiter_and_for_a_hold() -> None:
    assert [timeline(interval=7.0, service=5.0).starts.start(nth) for nth in range(3)] == [NOW, NOW + 7, NOW + 14]
    assert [timeline(interval=7.0, service=9.0).starts.start(nth) for nth in range(3)] == [NOW, NOW + 9, NOW + 18]
    assert [timeline(interval=7.0, service=9.0, hold=10.0).starts.start(nth) for nth in range(3)] == [
        NOW + 10,
        NOW + 17,
        NOW + 24,
    ]
    assert timeline(interval=7.0, hold=-10.0).starts.start(0) == NOW


def test_the_last_start_is_that_of_the_last_of_all_that_wait() -> None:
    made = timeline((NOW + 60, FIRST), (NOW + 60, FIRST), interval=5.0, waiting=4)
    assert made.starts.last_start() == NOW + 65
    assert [made.starts.overall(nth) for nth in range(4)] == [NOW, NOW + 5, NOW + 60, NOW + 65]
    assert timeline(interval=5.0, waiting=4).starts.last_start() == NOW + 15


@given(
    ready=st.integers(0, 5),
    dues=st.lists(st.integers(1, 60).map(lambda number: NOW + number * 1.37), max_size=9),
    burst=st.integers(1, 3),
    hold=st.sampled_from([0.0, 33.3]),
    exact=st.sampled_from([2, 500]),
)
def test_each_start_is_that_of_a_queue_that_starts_one_batch_at_a_time(
    ready: int, dues: list[float], burst: int, hold: float, exact: int
) -> None:
    """Those after the retries that are played through as if the rest were due by then."""
    made = timeline(*[(due, FIRST) for due in dues], interval=5.0, burst=burst, hold=hold, waiting=ready + len(dues))
    bucket, at, found = TokenBucket(5.0, burst), NOW + hold, list[float]()
    for due in [0.0] * ready + sorted(dues)[:exact] + [0.0] * len(dues[exact:]):
        at = bucket.when(0, max(at, due))
        assert bucket.take(at)
        found.append(at)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.core.starts.EXACT_RETRIES", exact)
        assert [made.starts.overall(nth) for nth in range(len(found))] == pytest.approx(found, abs=1e-6)


def test_a_start_behind_a_gap_waits_for_the_hold_and_for_a_slot_too() -> None:
    made = timeline((NOW + 60, FIRST), hold=90.0, interval=5.0, waiting=2)
    assert [made.starts.overall(nth) for nth in range(2)] == [NOW + 90, NOW + 95]
    made = timeline((NOW + 60, FIRST), interval=5.0, service=100.0, waiting=2)
    assert [made.starts.overall(nth) for nth in range(2)] == [NOW, NOW + 100]


def prospect(ahead: int, waiting: int, retrying: int, *started: float) -> Prospect:
    return Prospect(FIRST, ahead, waiting, retrying, started)


def test_while_all_that_is_left_runs_the_end_is_that_of_the_last() -> None:
    made = timeline(started=[NOW - 1, NOW - 4], slots=2, service=10.0)
    assert made.estimate(prospect(3, 0, 0, NOW - 4, NOW - 1))[:4] == (0, None, NOW + 9, NOW)


def test_the_status_can_change_at_any_time_while_a_batch_runs() -> None:
    made = timeline(interval=5.0, waiting=3)
    assert made.estimate(prospect(1, 2, 0))[:4] == (1, NOW + 5, NOW + 10, NOW + 5)
    assert made.estimate(prospect(1, 2, 0, NOW - 1))[:4] == (1, NOW + 5, NOW + 10, NOW)
    paused = made._replace(paused=True)
    assert paused.estimate(prospect(1, 2, 0))[:4] == (1, None, None, None)
    assert paused.estimate(prospect(1, 2, 0, NOW - 1))[:4] == (1, None, None, NOW)


def test_a_batch_that_runs_longer_than_those_that_wait_ends_the_ingestion() -> None:
    made = timeline(started=[NOW - 50], slots=2, service=10.0, waiting=1)
    assert made.estimate(prospect(0, 1, 0, NOW - 50, NOW - 50))[:4] == (0, NOW, NOW + 40, NOW)


def test_an_ingestions_own_retries_wait_for_a_slot_like_what_is_ahead_of_them() -> None:
    made = timeline((NOW + 5, FIRST), (NOW + 6, FIRST), service=10.0, waiting=5)
    # Three are ahead: one slot has room for the fourth and fifth in 30 s and in 40 s.
    assert made.estimate(prospect(3, 2, 2))[:4] == (3, NOW + 30, NOW + 50, NOW + 5)
    made = timeline((NOW + 5, FIRST), (NOW + 65, FIRST), service=10.0, waiting=5)
    assert made.estimate(prospect(3, 2, 2))[:4] == (3, NOW + 30, NOW + 75, NOW + 5)


def test_retries_of_the_next_ingestion_are_not_its_own() -> None:
    own, next_one = (NOW + 60, FIRST), (NOW + 600, (FIRST[0], FIRST[1] + 1))
    made = timeline(own, next_one, interval=5.0, waiting=3)
    assert made.estimate(prospect(0, 2, 1))[:4] == (0, NOW, NOW + 60, NOW)
    assert made.until_started(prospect(0, 2, 1), 0) == 0
    assert timeline(next_one, interval=5.0, waiting=2).until_started(prospect(0, 1, 0), 0) == 0
    assert timeline(next_one, interval=5.0, waiting=3).until_started(prospect(1, 1, 0), 0) == 5


def test_a_batch_that_never_started_waits_for_retries_of_its_own_ingestion_alone() -> None:
    own, next_one = (NOW + 3, FIRST), (NOW + 100, (FIRST[0], FIRST[1] + 1))
    assert timeline(own, interval=5.0, waiting=3).batch_start(prospect(0, 3, 1), 2, None) == NOW + 10
    assert timeline(next_one, interval=5.0, waiting=4).batch_start(prospect(0, 3, 1), 2, None) == NOW + 10


@pytest.mark.parametrize("retries", [500, 501, 1200])
def test_retries_after_those_that_are_played_through_are_counted(retries: int) -> None:
    made, last = timeline(*[(NOW + 600, FIRST)] * retries, interval=1.0, waiting=retries + 2), NOW + 600 + retries - 1
    assert made.estimate(prospect(2, retries, retries))[:4] == (2, NOW + 600, last, NOW + 600)
    next_one = ListAside(*[(NOW + 600, FIRST)] * retries, (NOW + 9000, (FIRST[0], FIRST[1] + 1)))
    more = but(made, aside=next_one, waiting=retries + 3)
    assert more.estimate(prospect(2, retries, retries))[:4] == (2, NOW + 600, last, NOW + 600)
    ready_too = but(made, waiting=retries + 3).estimate(prospect(2, retries + 1, retries))
    assert (ready_too.start, ready_too.completion) == (NOW + 2, last)
    assert made.starts.last_start() == last


def test_those_that_fall_due_together_at_last_start_one_after_the_other() -> None:
    seldom = [(NOW + 10 * nth, FIRST) for nth in range(1, 33)]
    made = timeline(*seldom, *[(NOW + 1000, FIRST)] * 9, interval=1.0, waiting=46)
    assert made.estimate(prospect(5, 41, 41))[:4] == (5, NOW + 10, NOW + 1008, NOW + 10)


def test_what_overtakes_while_retries_are_played_through_is_ahead_of_those_that_are_counted() -> None:
    behind = (FIRST[0], FIRST[1] + 1)
    made = timeline((NOW + 30, FIRST), *[(NOW + 600, FIRST)] * 500, interval=2.0, waiting=551)
    # Of 50 batches behind, 15 start before the first retry, and the others after it, long before the next.
    assert made.estimate(prospect(0, 501, 501))[:4] == (15, NOW + 30, NOW + 600 + 499 * 2, NOW + 30)
    made = but(made, aside=ListAside(*[(NOW + 1, behind)] * 501, (NOW + 31, FIRST)), waiting=550)
    assert made.estimate(prospect(0, 1, 1))[:4] == (16, NOW + 32, NOW + 32, NOW + 32)


def test_what_falls_due_after_those_that_are_played_through_may_go_first() -> None:
    own, behind = [(NOW + 1, FIRST)] * 400, [(NOW + 100, (3.0, 1))] * 101
    made = timeline(*own, *behind, *[(NOW + 100.5, (1.0, 0))] * 50, interval=1.0, waiting=551)
    assert made.estimate(prospect(50, 400, 400))[:4] == (0, NOW + 1, NOW + 450, NOW + 1)


@pytest.mark.parametrize(("due", "start"), [(1019.5, 1020), (1021, 1022), (1023, 1023)])
def test_a_retry_that_is_counted_waits_for_a_token_while_others_take_them(due: float, start: float) -> None:
    """The others take one every 2 s, the last of them after 1,020 s."""
    others = [(NOW + 1, (3.0, 1))] * 501
    made = timeline(*others, (NOW + due, FIRST), interval=2.0, waiting=512)
    assert made.estimate(prospect(0, 1, 1))[1:3] == (NOW + start, NOW + start)


def test_where_none_is_due_for_a_while_those_that_are_counted_get_a_bound() -> None:
    seldom = [(NOW + 600 + 2 * nth, FIRST) for nth in range(500)]
    made = timeline(*seldom, *[(NOW + 5000, FIRST)] * 5, *[(NOW + 6000, FIRST)] * 5, interval=1.0, waiting=510)
    assert made.estimate(prospect(0, 510, 510))[:4] == (0, NOW + 600, NOW + 6000, NOW + 600)
    others = [(due, (1.0, 0)) for due, _ in seldom]
    made = timeline(*others, (NOW + 5000, FIRST), (NOW + 6000, FIRST), interval=1.0, waiting=502)
    assert made.estimate(prospect(500, 2, 2))[:4] == (500, NOW + 5000, NOW + 6000, NOW + 5000)


@pytest.mark.parametrize("fair", [False, True])
def test_a_store_that_does_not_count_them_all_gets_bounds(fair: bool) -> None:
    aside = ListAside(*[(NOW + 600.5, FIRST)] * 501)
    aside.counts_all = False
    made, turns = but(timeline(interval=1.0, waiting=2000), aside=aside), None
    if fair:
        some = [Retry(NOW + 600.5, FIRST, Priority.MEDIUM, "a")] * 501
        turns = CallerTurns(FIRST, Priority.MEDIUM, "a", Shares({}), {"a": 502}, 2, 0, lambda limit: some[:limit])
    told = made.estimate(prospect(2, 501, 501)._replace(turns=turns))
    assert told[:4] == (2, NOW + 600.5, NOW + 600.5, NOW + 600.5)
    told = made.estimate(prospect(2, 502, 501)._replace(turns=turns))
    assert (told.start, told.completion) == (NOW + 2, NOW + 600.5)


def test_where_callers_take_turns_and_all_of_many_retries_are_of_others_they_count_as_due() -> None:
    others = [Retry(NOW + 600, (2.0, 0), Priority.MEDIUM, "b")] * 501
    made = timeline(*[(NOW + 600, (2.0, 0))] * 501, interval=1.0, waiting=503)
    turns = CallerTurns(FIRST, Priority.MEDIUM, "a", Shares({}), {"a": 2, "b": 501}, 0, 0, lambda limit: others[:limit])
    assert made.estimate(prospect(0, 2, 0)._replace(turns=turns))[:4] == (0, NOW, NOW + 2, NOW)


def test_the_retries_ahead_are_counted_too() -> None:
    others = [(NOW + 30, (1.0, 0))] * 501
    made = timeline(*others, (NOW + 600, FIRST), interval=2.0, waiting=504)
    assert made.estimate(prospect(503, 1, 1))[:4] == (503, NOW + 30 + 501 * 2, NOW + 30 + 501 * 2, NOW + 30 + 501 * 2)
    made = timeline(*others, (NOW + 3, FIRST), interval=2.0, waiting=504)
    assert made.estimate(prospect(503, 1, 1))[:4] == (2, NOW + 4, NOW + 4, NOW + 4)


def upcoming(made: Timeline, ready: list[str], retries: list[tuple[float, str]], limit: int = 10) -> Any:
    line = InOrder([((2.0, 1, at), name) for at, name in enumerate(ready)])
    found = made.upcoming(line, [(due, (1.0, 1, at), name) for at, (due, name) in enumerate(retries)], limit)
    return [(name, at and at - NOW) for name, at in found]


def test_retries_that_fall_due_together_follow_one_another_and_those_to_come_wait() -> None:
    retries = [(NOW + 60, "a"), (NOW + 60, "b"), (NOW + 61, "c"), (NOW + 200, "d")]
    told = [("x", 0), ("a", 60), ("b", 65), ("c", 70), ("d", 200)]
    assert upcoming(timeline(interval=5.0), ["x"], retries) == told
    assert upcoming(timeline(interval=5.0), ["x"], retries, 3) == told[:3]
    assert upcoming(timeline(interval=5.0, hold=62.0), ["x"], retries) == [
        ("a", 62), ("b", 67), ("c", 72), ("x", 77), ("d", 200)
    ]  # fmt: skip
    assert upcoming(timeline(interval=5.0), [], retries[:2]) == told[1:3]
    assert upcoming(timeline(interval=5.0, paused=True), ["x"], retries[:1]) == [("x", None), ("a", None)]


def test_of_the_retries_only_the_first_so_many_to_fall_due_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.starts.EXACT_RETRIES", 2)
    retries = [(NOW + 1, "a"), (NOW + 2, "b"), (NOW + 3, "c")]
    assert upcoming(timeline(interval=5.0, hold=60.0), ["x"], retries) == [("a", 60), ("b", 65), ("x", 70)]


def test_what_is_to_come_waits_for_a_slot() -> None:
    made = timeline(started=[NOW - 4], service=10.0)
    assert upcoming(made, ["x", "y"], [(NOW + 7, "a")]) == [("x", 6), ("a", 16), ("y", 26)]


def test_a_quote_counts_from_the_place_that_a_priority_gets() -> None:
    made = timeline(interval=5.0, service=2.0, slots=9, waiting=4)
    quotes = made.quotes(lambda priority: Prospect((float(priority), 9), priority - 1, 2, 0, ()))
    assert [quote[:3] for quote in quotes.values()] == [
        (0, NOW, NOW + 7), (1, NOW + 5, NOW + 12), (2, NOW + 10, NOW + 17)
    ]  # fmt: skip
    assert made.completion(Prospect((2.0, 9), 1, 2, 0, ())) == NOW + 12
    assert made.depth(2, NOW - 7, 3, (2.0, 9), 4, aging=False) == (6, NOW - 7, NOW + 12, 4)
    assert made.depth(0, None, 3, (2.0, 9), 4, aging=False) == (4, None, None, 4)


def test_what_may_be_early_is_the_latest_it_can_be_and_a_start_may_be_any() -> None:
    made = timeline(interval=5.0, slots=9, waiting=4)._replace(early=True)
    assert made.estimate(prospect(2, 1, 0)) == (2, NOW + 10, NOW + 10, NOW, True)
    quotes = made.quotes(lambda _: Prospect((2.0, 9), 2, 1, 0, ()))
    assert all(quote.at_latest for quote in quotes.values())
