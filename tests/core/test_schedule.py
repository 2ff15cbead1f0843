"""The upcoming starts, compared with a queue that starts one batch at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Place, TokenBucket, limiter_of
from app.core.schedule import Schedule
from app.limits import parse_limits

START = 1000.0
FIRST: Place = (1.0, 1)
SECOND: Place = (2.0, 1)
THIRD: Place = (3.0, 1)
END: Place = (4.0, 1)


def one_by_one(bucket: TokenBucket, ready: list[int], retries: list[tuple[float, Place]]) -> list[tuple[Place, float]]:
    """Each start as its place and moment."""
    waiting, later, now = dict(zip((FIRST, SECOND, THIRD), ready, strict=True)), list(retries), START
    found = []
    while any(waiting.values()) or later:
        if not any(waiting.values()):
            now = max(now, later[0][0])
        now = bucket.when(0, now)
        while later and later[0][0] <= now:
            waiting[later.pop(0)[1]] += 1
        place = min(place for place, count in waiting.items() if count)
        waiting[place] -= 1
        assert bucket.take(now)
        found.append((place, now))
    return found


@given(
    ready=st.lists(st.integers(0, 6), min_size=3, max_size=3),
    retries=st.lists(
        st.tuples(
            st.integers(1, 60).map(lambda number: START + number * 1.37), st.sampled_from([FIRST, SECOND, THIRD])
        ),
        max_size=20,
    ),
    burst=st.integers(1, 4),
    interval=st.sampled_from([0.0, 0.5, 5.0]),
    full_at=st.sampled_from([0.0, START + 3.3, START + 12.1]),
)
def test_they_are_the_starts_of_a_queue(ready: Any, retries: Any, burst: int, interval: float, full_at: float) -> None:
    full_at = min(full_at, START + burst * interval)
    retries.sort()
    expected = one_by_one(TokenBucket(interval, burst, full_at), ready, retries)
    made = Schedule(TokenBucket(interval, burst, full_at), START, sum(ready), retries)
    assert [made.at(nth) for nth in range(len(expected))] == pytest.approx([at for _, at in expected], abs=1e-6)
    for count, place in enumerate((SECOND, THIRD, END), 1):
        taken = made.taken(place, sum(ready[:count]))
        before = [one < place for one, _ in expected]
        assert [taken.below(nth) for nth in range(len(before) + 1)] == [
            sum(before[:nth]) for nth in range(len(before) + 1)
        ]
    for nth, (_, at) in enumerate(expected):
        assert made.after(nth).when(0, at) == pytest.approx(at, abs=1e-6)
    for number, (due, _) in zip(made.numbers, retries, strict=True):
        assert number == sum(at < due - 1e-6 for _, at in expected)


def test_what_falls_due_at_the_moment_of_a_start_goes_before_what_is_less_urgent() -> None:
    retries = [(START + 10.0, SECOND), (START + 11.0, SECOND), (START + 15.0, FIRST)]
    made = Schedule(TokenBucket(5.0, 1), START, 0, retries)
    assert made.taken(SECOND, 0).later == [1]
    assert made.taken(END, 0).later == [0, 1, 2]
    assert [made.at(nth) for nth in range(3)] == [START + 10.0, START + 15.0, START + 20.0]


def test_what_falls_due_at_the_last_start_of_what_is_ready_goes_before_it_if_it_is_more_urgent() -> None:
    made = Schedule(TokenBucket(5.0, 1), START, 2, [(START + 5.0, FIRST)])
    assert made.taken(SECOND, 0).later == [1]


def test_what_is_ready_is_not_looked_at_one_by_one() -> None:
    made = Schedule(TokenBucket(5.0, 1), START, 10**9, [(START + 22.0, FIRST)])
    # Five start before the retry is due.
    assert made.taken(SECOND, 0) == (0, [5])
    assert made.taken(END, 10**9) == (10**9, [10**9])
    assert (made.at(5), made.at(10**9)) == (START + 25.0, START + 5.0 * 10**9)


def test_what_falls_due_after_more_resets_of_a_quota_than_are_counted_goes_after_what_is_ready() -> None:
    limiter = limiter_of(0, 1, parse_limits("1/day at 00:00 UTC"))
    day, dues = 24 * 3600.0, (20.5, 150.5)
    made = Schedule(limiter, START, 200, [(START + days * day, FIRST) for days in dues])
    assert made.taken(SECOND, 0).later == [21, 200]
