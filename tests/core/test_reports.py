"""What a queue measures and reports about itself."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from app.core import (
    HOLDS,
    Batch,
    CallerDepth,
    Claim,
    Gate,
    Level,
    Pauses,
    Priority,
    Stats,
    Status,
    Timing,
    TokenBucket,
    accuracy_of,
    moving_mean,
)
from tests.support.queueing import settings


class Waiting(NamedTuple):
    """How many batches wait in line, and outside of it."""

    total: int
    parked: int


CLAIM = Claim(Batch("8d0b2a4e-1c3f-4a5b-9c7d-000000000000", 0, [1], Status.TRIGGERED, Priority.LOW), 10.0, 12.0)


@pytest.mark.parametrize(
    ("started_at", "now", "timing"),
    [(12.0, 15.0, (3.0, 2.0)), (10.0, 10.0, (0.0, 0.0)), (9.0, 8.0, (0.0, 0.0)), (12.0, 11.0, (0.0, 2.0))],
)
def test_a_timing_is_never_negative_even_if_two_clocks_disagree(
    started_at: float, now: float, timing: tuple[float, float]
) -> None:
    assert Timing.of(CLAIM, started_at, now) == timing


def stats(*limits: Level) -> Stats:
    made = Stats.of(
        Gate(TokenBucket(5.0, 1)),
        settings(),
        100.0,
        first_due=None,
        slots=1,
        waiting=Waiting(0, 0),
        running=0,
        service=0.0,
        depths={},
        accuracy=None,
        failed=0,
        next_retry_at=None,
    )
    return made._replace(limits=limits)


def test_the_limit_that_binds_is_the_one_whose_token_comes_last() -> None:
    assert stats().binding_limit is None
    assert stats(Level("a", 1, 100.0), Level("b", 2, 99.0)).binding_limit is None
    assert stats(Level("a", 0, 100.5), Level("b", 0, 107.0), Level("c", 1, 100.0)).binding_limit == "b"


@pytest.mark.parametrize(
    ("paused", "pauses", "waiting_on", "held_by"),
    [
        (True, Pauses(frozenset({Priority.LOW})), "paused", "paused"),
        (False, Pauses(frozenset({Priority.LOW}), frozenset({"ann"})), "hold", "paused_priority"),
        (False, Pauses(owners=frozenset({"ann"})), "token", "paused_owner"),
        (False, Pauses(frozenset({Priority.HIGH}), frozenset({"bob"})), "slots", "slots"),
        (False, Pauses(), "hold", "hold"),
        (False, Pauses(), "token", "token"),
        (False, Pauses(), "connections", "connections"),
        (False, Pauses(), "answer", "answer"),
        (False, Pauses(), "retry", "answer"),
        (False, Pauses(), None, "line"),
        (False, Pauses(), "empty", "line"),
    ],
)
def test_what_holds_a_batch_is_its_own_pause_or_what_holds_the_queue(
    paused: bool, pauses: Pauses, waiting_on: str | None, held_by: str
) -> None:
    told = stats()._replace(paused=paused, pauses=pauses, waiting_on=waiting_on)
    assert told.holds(Priority.LOW, "ann") == held_by
    assert held_by in HOLDS
    assert told.without("worker").holds(Priority.LOW, "ann") == "worker"
    assert told.without("store").holds(Priority.LOW, "ann") == ("worker" if waiting_on == "empty" else "store")
    for what in ("worker", "store"):
        assert told.without(what).waiting_on == ("empty" if waiting_on == "empty" else what)


@pytest.mark.parametrize(("count", "p95"), [(1, 1.0), (2, 2.0), (19, 19.0), (20, 19.0), (21, 20.0), (100, 95.0)])
def test_the_accuracy_is_that_of_the_misses_either_way(count: int, p95: float) -> None:
    misses = [float(miss if miss % 2 else -miss) for miss in range(count, 0, -1)]
    assert accuracy_of(misses) == (count, (count + 1) / 2, p95)
    assert accuracy_of([]) is None


def test_the_first_service_times_weigh_alike_and_then_a_change_counts_a_tenth_at_a_time() -> None:
    mean = 0.0
    for ended, seconds in enumerate((10.0, 20.0, 30.0, 40.0), 1):
        mean = moving_mean(mean, seconds, ended)
    assert mean == pytest.approx(25.0)
    assert moving_mean(mean, 35.0, 10) == moving_mean(mean, 35.0, 1000) == pytest.approx(26.0)
    assert moving_mean(0.0, 7.0, 1000) == 7.0


def test_what_nobodys_ingestions_have_waiting_is_told_without_a_name() -> None:
    lined = {(Priority.LOW, ""): (2, 5.0), (Priority.LOW, "web"): (1, 4.0)}
    told = [("web", Priority.LOW, 1, 4.0, 0), (None, Priority.LOW, 5, 5.0, 3)]
    assert CallerDepth.longest(lined, {(Priority.LOW, ""): 3}, 9) == told
