"""What is told of a minute: seconds without starts, and how long batches waited."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import HOUR, NO_WAITS, Change, Minute, Priority, add_stops, wait_quantile


def test_a_wait_beyond_the_last_bound_is_told_within_twice_that() -> None:
    counts = [0] * 23 + [1]
    assert [wait_quantile([counts], share) for share in (0.5, 1.0)] == [1.5 * 2.0**18, 2.0**19]


def test_the_counts_of_waits_take_as_many_bytes_as_databases_hold_of_them() -> None:
    assert len(NO_WAITS) == len(Minute().waits.tobytes()) == 4 * 24 * 3


CHANGES = st.lists(st.tuples(st.integers(0, 900), st.booleans(), st.integers(-60, 1200)), max_size=12)


@given(changes=CHANGES, more=st.integers(0, 5000))
def test_seconds_without_starts_are_those_that_a_watch_would_show(
    changes: list[tuple[int, bool, int]], more: int
) -> None:
    at, told = 0, []
    for after, paused, hold in changes:
        at += after
        told.append(Change(float(at), paused, float(at + hold)))
    now = at + more
    minutes: dict[int, Minute] = {}
    add_stops(minutes, told, float(now))
    first = 60 * (now // 60 - HOUR + 1)
    held, paused_for = dict[int, int](), dict[int, int]()
    for second in range(max(first, 0), now):
        state = max((one for one in enumerate(told) if one[1].at <= second), default=None)
        if state is None:
            continue
        if state[1].paused:
            paused_for[second // 60] = paused_for.get(second // 60, 0) + 1
        elif second < state[1].hold_until:
            held[second // 60] = held.get(second // 60, 0) + 1
    assert {number: one.held for number, one in minutes.items() if one.held} == held
    assert {number: one.paused for number, one in minutes.items() if one.paused} == paused_for


@given(
    waits=st.lists(st.floats(0, 200_000), min_size=1, max_size=50),
    share=st.sampled_from([0.5, 0.95]),
    priority=st.sampled_from(Priority),
)
def test_a_quantile_of_waits_is_right_to_a_factor_of_two(waits: list[float], share: float, priority: Priority) -> None:
    minutes = [Minute(), Minute()]
    for number, wait in enumerate(waits):
        minutes[number % 2].start(priority, wait)
    found = wait_quantile([one.waits_at(priority) for one in minutes], share)
    exact = sorted(waits)[math.ceil(share * len(waits)) - 1]
    assert found is not None
    assert exact / 2 <= found <= max(2 * exact, 1 / 16)
    assert [one.starts for one in minutes] == [sum(one.waits) for one in minutes]


@pytest.mark.parametrize("priority", Priority)
def test_where_nothing_started_nothing_waited(priority: Priority) -> None:
    assert wait_quantile([Minute().waits_at(priority)], 0.5) is None
