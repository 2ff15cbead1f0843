"""The runs of starts, compared with a queue that starts one batch at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import TokenBucket, runs

START = 1000.0


def one_by_one(bucket: TokenBucket, ready: list[int], retries: list[tuple[float, int]]) -> list[tuple[int, float]]:
    """Each start as its group and moment."""
    waiting, later, now = list(ready), list(retries), START
    found = []
    while any(waiting) or later:
        if not any(waiting):
            now = max(now, later[0][0])
        now = bucket.when(0, now)
        while later and later[0][0] <= now:
            waiting[later.pop(0)[1]] += 1
        group = next(number for number, count in enumerate(waiting) if count)
        waiting[group] -= 1
        assert bucket.take(now)
        found.append((group, now))
    return found


@given(
    ready=st.lists(st.integers(0, 6), min_size=3, max_size=3),
    retries=st.lists(st.tuples(st.integers(1, 60).map(lambda number: START + number * 1.37), st.integers(0, 2))),
    burst=st.integers(1, 4),
    interval=st.sampled_from([0.0, 0.5, 5.0]),
    full_at=st.sampled_from([0.0, START + 3.3, START + 12.1]),
)
def test_they_are_the_starts_of_a_queue(ready: Any, retries: Any, burst: int, interval: float, full_at: float) -> None:
    retries.sort()
    expected = one_by_one(TokenBucket(interval, burst, full_at), ready, retries)
    found: list[int] = []
    for run in runs(TokenBucket(interval, burst, full_at), START, ready, retries):
        assert run.nth == len(found)
        found += [run.group] * run.size
        times = [at for _, at in expected[run.nth : len(found)]]
        assert (run.first, run.last) == pytest.approx((times[0], times[-1]), abs=1e-6)
        assert run.limiter.when(0, run.first) == pytest.approx(run.first, abs=1e-6)
    assert found == [group for group, _ in expected]


def test_what_falls_due_at_the_moment_of_a_start_goes_before_what_is_less_urgent() -> None:
    retries = [(START + 10.0, 1), (START + 11.0, 1), (START + 15.0, 0)]
    made = list(runs(TokenBucket(5.0, 1), START, [0, 0], retries))
    assert [(run.group, run.first) for run in made] == [(1, START + 10.0), (0, START + 15.0), (1, START + 20.0)]


def test_starts_that_nothing_interrupts_are_one_run() -> None:
    assert [run.size for run in runs(TokenBucket(5.0, 1), START, [10**6, 0], [])] == [10**6]
    # The first goes at once, four more before the retry is due, and the rest after it.
    made = list(runs(TokenBucket(5.0, 1), START, [0, 10**6], [(START + 22.0, 0)]))
    assert [(run.group, run.size) for run in made] == [(1, 5), (0, 1), (1, 10**6 - 5)]
