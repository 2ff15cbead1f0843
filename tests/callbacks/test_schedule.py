"""A day of attempts, further and further apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.callbacks.schedule import DAY, wait_after


def attempts(draw: float) -> Iterator[float]:
    """When each attempt begins, in seconds since the first."""
    at = 0.0
    while at <= DAY:
        yield at
        at += wait_after(at, lambda: draw)


@given(st.floats(0, 86_400), st.floats(0, 1))
def test_a_wait_has_bounds(elapsed: float, draw: float) -> None:
    assert 4.499 < wait_after(elapsed, lambda: draw) < 7920.001


def test_without_chance_it_doubles_from_five_seconds_to_two_hours() -> None:
    times = list(attempts(0.5))
    assert times[:6] == [0, 5, 10, 20, 40, 80]
    assert max(later - earlier for earlier, later in pairwise(times)) == 7200


@pytest.mark.parametrize("draw", [0.0, 0.5, 1.0])
def test_a_day_has_some_twenty_attempts(draw: float) -> None:
    times = list(attempts(draw))
    assert 15 <= len(times) <= 30
    assert times[-1] > DAY - 7920
