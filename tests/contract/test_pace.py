"""Refusals of the upstream slow the queue down, and it recovers step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import OF_UPSTREAM, STEP, Level, Rates, Wait
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import blocked, claimed, estimate_of, finish, submit
from tests.support.simulation import EPSILON


def test_a_refusal_halves_the_rate_and_estimates_go_along(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    ingestion = submit(store, range(1, 13))
    (claim,) = claimed(store)
    assert store.slow_down(claim) == 10.0
    assert [at for _, at in store.upcoming(3)] == [START + 10, START + 20, START + 30]
    estimate = estimate_of(store, ingestion.id)
    assert estimate is not None
    assert (estimate.start, estimate.completion) == (START + 10, START + 30)
    stats = store.stats()
    assert (stats.pace, stats.binding_limit) == (10.0, OF_UPSTREAM)
    assert stats.limits[-1] == Level(OF_UPSTREAM, 0, START + 10)
    clock.advance(5)
    assert blocked(store) == Wait(5.0, "token")
    clock.advance(5)
    claimed(store)


def test_without_a_refusal_nothing_is_slowed(new_store: Callable[..., Store]) -> None:
    for interval in (0, 0.5, 5):
        stats = new_store(interval=interval).stats()
        assert (stats.pace, [one.limit for one in stats.limits if one.limit == OF_UPSTREAM]) == (0.0, [])


def test_batches_that_ran_together_count_once(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, concurrency=3)
    submit(store, range(1, 30))
    first, second = claimed(store, 2)
    assert store.slow_down(first) == 0.2
    assert store.slow_down(second) is None
    clock.advance(1)
    (third,) = claimed(store)
    assert store.slow_down(third) == 0.4


def test_a_quota_is_no_rate_to_be_halved(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, limits="5000/day at 00:00 UTC")
    submit(store, range(1, 30))
    (claim,) = claimed(store)
    assert store.slow_down(claim) == 0.2


def test_it_recovers_to_what_is_configured_and_no_further(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=6)
    submit(store, range(1, 1000))
    (claim,) = claimed(store)
    assert store.slow_down(claim) == 12.0
    seen = []
    for _ in range(8):
        clock.advance(STEP)
        seen.append(store.stats().pace)
    assert seen == [pytest.approx(6 / (0.5 + 0.1 * step)) for step in (1, 2, 3, 4)] + [0.0] * 4
    assert store.stats().limits == ()
    claimed(store)
    assert blocked(store) == Wait(pytest.approx(6.0), "token")


def test_it_recovers_though_nobody_looks(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=6)
    submit(store, range(1, 1000))
    (claim,) = claimed(store)
    store.slow_down(claim)
    clock.advance(10 * STEP)
    for _ in range(3):
        claimed(store)
        clock.advance(6)


def test_it_is_never_slower_than_a_64th(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1)
    submit(store, range(1, 1000))
    told = []
    for _ in range(9):
        (claim,) = claimed(store)
        told.append(store.slow_down(claim))
        wait = blocked(store)
        assert wait.seconds is not None
        clock.advance(wait.seconds)
    assert max(filter(None, told)) == 64.0


@given(
    refused=st.sets(st.integers(0, 30), max_size=6),
    limits=st.sampled_from(["", "20/min burst 4", "3/20s, 200/day at 08:01 UTC"]),
    seconds=st.sampled_from([0.0, 7.0]),
)
def test_no_start_is_sooner_than_the_rate_of_its_moment(
    new_store: Callable[..., Store], clock: FakeClock, refused: set[int], limits: str, seconds: float
) -> None:
    clock.reset()
    chosen: dict[str, Any] = {"interval": 2.0, "concurrency": 1, "limits": limits}
    store = new_store(**chosen)
    submit(store, range(1, 91))
    starts, paces = list[float](), list[float]()
    while True:
        answer = store.claim(1)
        if isinstance(answer, Wait):
            if answer.reason == "empty":
                break
            assert answer.seconds is not None
            clock.advance(answer.seconds)
            continue
        starts.append(clock.now())
        clock.advance(seconds)
        if len(starts) - 1 in refused:
            assert store.slow_down(answer[0])
        finish(store, answer[0])
        paces.append(store.stats().pace)
    assert len(starts) == 30
    for number, (earlier, later) in enumerate(itertools.pairwise(starts)):
        assert later - earlier >= 2.0 - EPSILON
        if number in refused:
            assert later - earlier >= min(paces[number], STEP) - EPSILON


def test_it_recovers_to_the_rate_that_an_operator_set(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=6)
    submit(store, range(1, 1000))
    store.change_rates(Rates(interval=60))
    (claim,) = claimed(store)
    assert store.slow_down(claim) == 120.0
    clock.advance(STEP)
    stats = store.stats()
    assert stats.pace == pytest.approx(60 / 0.6)
    assert stats.binding_limit == OF_UPSTREAM
    clock.advance(5 * STEP)
    assert (store.stats().pace, store.stats().limits) == (0.0, ())


def test_a_rate_that_is_slower_ends_a_slow_down_for_good(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=6)
    submit(store, range(1, 1000))
    (claim,) = claimed(store)
    store.slow_down(claim)
    store.change_rates(Rates(interval=60))
    store.change_rates(Rates())
    assert (store.stats().pace, store.stats().limits) == (0.0, ())


class TestConnections:
    def test_no_more_at_once_than_the_upstream_takes(self, new_store: Callable[..., Store]) -> None:
        store = new_store(interval=0, concurrency=8, upstream_connections=2)
        submit(store, range(1, 30))
        first, second = claimed(store, 8)
        assert blocked(store, 6) == Wait(None, "connections")
        assert store.stats().waiting_on == "connections"
        finish(store, first)
        (third,) = claimed(store, 7)
        assert third.batch.position == 2
        finish(store, second)

    def test_estimates_count_with_them(self, new_store: Callable[..., Store], clock: FakeClock) -> None:
        store = new_store(interval=0, concurrency=8, upstream_connections=2)
        submit(store, range(1, 4))
        (claim,) = claimed(store)
        clock.advance(10)
        finish(store, claim)
        last = submit(store, range(1, 13))
        estimate = estimate_of(store, last.id)
        assert estimate is not None
        assert estimate.completion == clock.now() + 20
