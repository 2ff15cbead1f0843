"""The token bucket, with time passed in."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.limiter import TokenBucket
from tests.support.host import BOUND


def test_the_first_goes_at_once_then_one_an_interval() -> None:
    bucket = TokenBucket(5, 1)
    assert [now for now in range(16) if bucket.take(now)] == [0, 5, 10, 15]


def test_the_next_token_counts_from_the_start_not_from_when_it_was_asked_for() -> None:
    bucket = TokenBucket(5, 1)
    assert bucket.take(0)
    assert not bucket.take(4.999)
    assert bucket.take(5)
    assert bucket.when(0, 5) == 10


def test_a_late_start_moves_those_after_it() -> None:
    bucket = TokenBucket(5, 1)
    bucket.take(0)
    assert bucket.take(7)
    assert not bucket.take(11.9)
    assert bucket.take(12)


def test_idle_time_saves_up_no_more_than_the_burst() -> None:
    bucket = TokenBucket(5, 3)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(3600) for _ in range(4)] == [True, True, True, False]
    assert bucket.when(0, 3600) == 3605


def test_a_saved_token_comes_back_one_an_interval() -> None:
    bucket = TokenBucket(5, 3)
    for _ in range(3):
        bucket.take(0)
    assert [bucket.tokens(now) for now in (0, 4.9, 5, 9.9, 10, 15, 99)] == [0, 0, 1, 1, 2, 3, 3]


def test_until_now_no_token_arrives_not_even_a_saved_one() -> None:
    bucket = TokenBucket(5, 3)
    assert [bucket.count(7, until) for until in (6, 7, 7.1, 12, 12.1)] == [0, 0, 3, 3, 4]
    assert [TokenBucket(0, 1).count(7, until) for until in (7, 8)] == [0, math.inf]


def test_an_interval_of_0_does_not_limit() -> None:
    bucket = TokenBucket(0, 2)
    assert all(bucket.take(7) for _ in range(1000))
    assert (bucket.tokens(7), bucket.when(10**6, 7)) == (2, 7)


def test_a_clock_that_went_back_does_not_stop_it() -> None:
    bucket = TokenBucket(5, 1)
    bucket.take(1_000_000)
    assert bucket.when(0, 0) == 5
    assert bucket.take(5)


def test_its_state_can_be_carried_over_a_restart() -> None:
    bucket = TokenBucket(5, 2)
    bucket.take(0)
    bucket.take(1)
    again = TokenBucket(5, 2, bucket.full_at)
    assert not again.take(4.9)
    assert again.take(5)
    assert TokenBucket(5, 2).full_at == -math.inf


def test_ready_at_is_since_when_a_token_has_been_there() -> None:
    bucket = TokenBucket(5, 2)
    bucket.take(10)
    assert bucket.ready_at == 10
    bucket.take(10)
    assert bucket.ready_at == 15


intervals = st.sampled_from([0.25, 1.0, 5.0])
bursts = st.integers(1, 4)
quarters = st.integers(0, 40).map(lambda quarter: quarter / 4)


@given(intervals, bursts, st.lists(quarters, min_size=1, max_size=60))
def test_no_window_holds_more_than_burst_and_one_an_interval(interval: float, burst: int, gaps: list[float]) -> None:
    bucket, now, starts = TokenBucket(interval, burst), 0.0, []
    for gap in gaps:
        now += gap
        if bucket.take(now):
            starts.append(now)
    for first in range(len(starts)):
        for last in range(first + burst, len(starts)):
            assert starts[last] - starts[first] >= (last - first + 1 - burst) * interval


@given(intervals, bursts, st.lists(quarters, max_size=20), st.integers(0, 12))
def test_when_comes_true(interval: float, burst: int, gaps: list[float], nth: int) -> None:
    bucket, now = TokenBucket(interval, burst), 0.0
    for gap in gaps:
        now += gap
        bucket.take(now)
    foretold = [bucket.when(one, now) for one in range(nth + 1)]
    taken: list[float] = []
    while len(taken) <= nth:
        if bucket.take(now):
            taken.append(now)
        else:
            now += 0.25
    assert taken == foretold


def test_after_the_clock_was_set_back_what_falls_due_waits_for_an_empty_bucket_at_most() -> None:
    bucket = TokenBucket(5.0, 2, full_at=1000.0)
    assert bucket.starts_of([100.0, 101.0])[0] == [105.0, 110.0]


@given(intervals, bursts, st.lists(quarters, max_size=5), st.lists(quarters, max_size=20))
def test_what_falls_due_starts_as_soon_as_there_is_a_token(
    interval: float, burst: int, taken: list[float], gaps: list[float]
) -> None:
    bucket, now, dues, starts = TokenBucket(interval, burst), 0.0, list[float](), list[float]()
    for gap in taken:
        now += gap
        bucket.take(now)
    for gap in gaps:
        dues.append((dues or [now])[-1] + gap)
    found, after = bucket.starts_of(dues)
    for due in dues:
        now = max(now, due)
        while bucket.when(0, now) > now:
            now += 0.25
        assert bucket.take(now)
        starts.append(now)
    assert found == starts
    assert after.when(0, now) == bucket.when(0, now)


@pytest.mark.parametrize("burst", [1, 7])
def test_threads_that_race_take_no_more_than_there_is(burst: int) -> None:
    bucket, together = TokenBucket(60, burst), threading.Barrier(16, timeout=BOUND)

    def race(_: int) -> int:
        together.wait()
        return sum(bucket.take(100) for _ in range(50))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(race, range(16))) == burst
