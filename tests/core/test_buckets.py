"""Several limits at once, compared with starts taken one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.config import Settings
from app.core import TokenBucket, limiter_of, state_of
from app.core.buckets import Buckets
from app.errors import ConfigError
from app.limits import LATENESS, Limit, parse_limits

INTERVALS, BURSTS = st.sampled_from([0.0, 0.25, 1.0, 2.5, 7.0]), st.integers(1, 6)
DEBTS = st.sampled_from([0.0, 0.0, 0.0, 3.0, 11.0])
BUCKETS = st.lists(st.tuples(INTERVALS, BURSTS, DEBTS), min_size=1, max_size=4)
GAPS = st.lists(st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0, 10.0]), max_size=10)
TEXTS = ["10/s", "3/2s burst 3", "12/10s burst 4", "20/min burst 5", "1/s"]


def made(kinds: Sequence[tuple[float, int, float]], gaps: Sequence[float]) -> tuple[Buckets, float]:
    """A limiter after some starts, and the time; a bucket in debt has its first token that much later."""
    buckets = [
        TokenBucket(interval, burst, burst * interval + debt if debt else -math.inf, debt)
        for interval, burst, debt in kinds
    ]
    limiter, now = Buckets({str(number): bucket for number, bucket in enumerate(buckets)}), 0.0
    for gap in gaps:
        now += gap
        limiter.take(now)
    return limiter, now


def taken(limiter: Buckets, now: float, count: int) -> list[float]:
    """The times of the next starts, each as soon as it may be."""
    times = []
    for _ in range(count):
        now = limiter.when(0, now)
        assert limiter.take(now)
        times.append(now)
    return times


@given(BUCKETS, GAPS, st.integers(1, 15), st.floats(0, 40))
@example([(0.25, 6, 11.0), (2.5, 3, 0.0)], [], 1, 12.0)
def test_the_closed_forms_are_what_comes_true(
    kinds: list[tuple[float, int, float]], gaps: list[float], count: int, later: float
) -> None:
    limiter, now = made(kinds, gaps)
    times = taken(made(kinds, gaps)[0], now, 20)
    assert [limiter.when(nth, now) for nth in range(20)] == pytest.approx(times, abs=1e-4)
    assert max(now, limiter.ready_at) == times[0]
    assert all(one.tokens(max(now, limiter.full_at)) == one.burst for one in limiter.buckets.values())
    rest = limiter.after(count, now)
    assert [rest.when(nth, times[count - 1]) for nth in range(20 - count)] == pytest.approx(times[count:])
    least, most = (sum(time < now + later + error for time in times) for error in (-1e-9, 1e-9))
    assert min(20, limiter.count(now, now + later)) in range(least, most + 1)
    assert limiter.count(now, math.inf) == math.inf
    assert times[-1] - times[0] >= limiter.least_time(20) - 1e-9 or limiter.least_time(20) == 0
    interval, since = limiter.steady(now)
    assert all(time >= since + nth * interval - 1e-9 for nth, time in enumerate(times))
    far = 100_000
    assert limiter.when(far, now) == pytest.approx(since + far * interval if interval else times[0])


# A bucket in debt: while it has none, the others gather tokens.
@given(BUCKETS, GAPS, GAPS, st.floats(0, 40))
@example([(1.0, 3, 0.0), (0.25, 6, 11.0)], [], [0.0] * 5, 40.0)
def test_what_falls_due_starts_as_soon_as_there_is_a_token_of_each(
    kinds: list[tuple[float, int, float]], gaps: list[float], more: list[float], later: float
) -> None:
    limiter, now = made(kinds, gaps)
    dues = [now + gap for gap in accumulate(more)]
    found, rest = made(kinds, gaps)[0].starts_of(dues, now + later)
    at = now
    for due, start in zip(dues, found, strict=False):
        at = limiter.when(0, max(at, due))
        assert limiter.take(at)
        assert start == pytest.approx(at, abs=1e-6)
    assert all(start < now + later for start in found)
    assert len(found) == len(dues) or limiter.when(0, max(at, dues[len(found)])) > now + later - 1e-6
    assert [rest.when(nth, at) for nth in range(9)] == pytest.approx([limiter.when(nth, at) for nth in range(9)])


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True), st.lists(st.integers(0, 40), min_size=60))
def test_no_window_wherever_it_begins_holds_more_than_a_limit_allows(texts: list[str], gaps: list[int]) -> None:
    limits = parse_limits(",".join(texts))
    limiter, now, starts = limiter_of(0.0, 1, limits), 0.0, list[float]()
    for gap in gaps:
        now += gap / 20
        while limiter.take(now):
            starts.append(now)
    for limit in limits:
        for first in starts:
            within = [start for start in starts if first <= start < first + limit.period - 1e-6]
            assert len(within) <= limit.most, limit.name


def test_a_limit_of_which_nothing_is_known_starts_full() -> None:
    limits = parse_limits("4/min burst 4, 5/day at 08:30 UTC")
    assert [one.tokens for one in limiter_of(5.0, 2, limits, pace=10.0).levels(1000.0)] == [2, 1, 4, 5]


@given(st.sampled_from(TEXTS), st.lists(st.floats(0, LATENESS), min_size=60, max_size=60))
def test_starts_that_are_a_little_late_cost_a_limit_nothing(text: str, late: list[float]) -> None:
    (limit,) = parse_limits(text)
    limiter, now = limiter_of(0.0, 1, (limit,)), 0.0
    in_time = limiter.when(59, now)
    for lateness in late:
        due = limiter.when(0, now)
        now = due + lateness if due > now else now
        assert limiter.take(now)
    assert now <= in_time + LATENESS + 1e-9
    assert in_time <= limit.period * 59 / (limit.most + 1 - limit.burst) * 1.01


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4, unique=True), GAPS)
def test_its_state_can_be_carried_over_a_restart(texts: list[str], gaps: list[float]) -> None:
    limits = parse_limits(texts)
    limiter, now = limiter_of(2.0, 2, limits), 0.0
    for gap in gaps:
        now += gap
        limiter.take(now)
    again = limiter_of(2.0, 2, limits, *state_of(limiter))
    assert [again.when(nth, now) for nth in range(9)] == [limiter.when(nth, now) for nth in range(9)]


def test_a_limit_that_is_added_starts_full_and_the_others_go_on() -> None:
    before = limiter_of(0.0, 1, parse_limits("1/10s"))
    assert before.take(0.0)
    after = limiter_of(0.0, 1, parse_limits("1/10s, 5/min burst 5"), *state_of(before))
    assert [(one.limit, one.tokens, one.next_at) for one in after.levels(0.0)] == [
        ("1/10s", 0, pytest.approx(10.0)),
        ("5/min burst 5", 5, 0.0),
    ]


def test_without_limits_it_is_the_one_bucket() -> None:
    limiter = limiter_of(5.0, 2, (), 3.0)
    assert isinstance(limiter, TokenBucket)
    assert (limiter.interval, limiter.burst, limiter.full_at) == (5.0, 2, 3.0)
    assert limiter.levels(0.0) == ()
    assert state_of(limiter) == (3.0, {})


def test_the_least_time_is_that_of_full_buckets() -> None:
    limiter = Buckets({"a": TokenBucket(1.0, 3), "b": TokenBucket(5.0, 6)})
    assert [limiter.least_time(count) for count in (1, 3, 4, 6, 7, 8)] == [0.0, 0.0, 1.0, 3.0, 5.0, 10.0]
    assert taken(limiter, 0.0, 8)[-1] == 10.0


def test_what_does_not_limit_is_no_bound_on_the_tokens() -> None:
    limiter = limiter_of(0.0, 1, parse_limits("5/min burst 5"))
    assert limiter.tokens(0.0) == 5
    assert [one.limit for one in limiter.levels(0.0)] == ["5/min burst 5"]
    assert limiter_of(0.0, 1, parse_limits("9/day at 00:00 UTC")).tokens(1e9) == 9


def test_there_are_as_many_tokens_as_every_bucket_has() -> None:
    limiter = Buckets({"a": TokenBucket(1.0, 3), "b": TokenBucket(5.0, 5)})
    found = [limiter.tokens(0.0)]
    for _ in range(3):
        limiter.take(0.0)
        found.append(limiter.tokens(0.0))
    assert found == [3, 2, 1, 0]
    assert [limiter.tokens(now) for now in (1.0, 2.0, 3.0, 5.0, 99.0)] == [1, 2, 2, 3, 3]
    assert limiter.take(0.5) is False


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", ()),
        ("10/s", (Limit("10/s", 10, 1.0, 1),)),
        (" 600 / min ,10000/day", (Limit("600/min", 600, 60.0, 1), Limit("10000/day", 10_000, 86_400.0, 1))),
        ("100/10s burst 20", (Limit("100/10s burst 20", 100, 10.0, 20),)),
        ("5/2h  burst   5", (Limit("5/2h burst 5", 5, 7200.0, 5),)),
        ("3/1s burst 1", (Limit("3/s", 3, 1.0, 1),)),
    ],
)
def test_limits_are_read_as_people_write_them(text: str, limits: tuple[Limit, ...]) -> None:
    assert parse_limits(text) == limits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", "'10' is none"),
        ("10/fortnight", "'10/fortnight' is none"),
        ("0/s", "'0/s' must allow at least 1 in a period of 1 s to 366 days"),
        ("1/0s", "'1/0s' must allow"),
        ("1/400day", "'1/400day' must allow"),
        ("10/s burst 11", "the burst of '10/s burst 11' must be from 1 to 10"),
        ("10/s, 10/1s", "one of them is there twice"),
        ("-1/s", "'-1/s' is none"),
    ],
)
def test_what_is_not_a_limit_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="INGEST_LIMITS must be limits such as 10/s") as refusal:
        Settings.read({"INGEST_LIMITS": text})
    assert said in str(refusal.value)


def test_beside_limits_the_interval_is_0_unless_it_is_set() -> None:
    assert Settings.read({"INGEST_LIMITS": "10/s"}).interval == 0.0
    assert Settings.read({"INGEST_LIMITS": "10/s", "INGEST_INTERVAL": "5"}).interval == 5.0
    assert Settings.read({"INGEST_LIMITS": ""}).interval == 5.0
    assert Settings.read({"INGEST_LIMITS": "10/s, 60/min"}).steady_interval == (60 + LATENESS) / 60


def test_only_what_was_used_is_kept() -> None:
    limiter = limiter_of(5.0, 1, parse_limits("10/s, 100/day at 00:00 UTC"))
    assert state_of(limiter) == (-math.inf, {})
    limiter.take(1000.0)
    full_at, levels = state_of(limiter)
    assert (full_at, levels.keys()) == (1005.0, {"10/s", "100/day at 00:00 UTC"})
