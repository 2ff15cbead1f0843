"""What a store tells of each minute of the last hour."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core import CHANGES, HOUR, BatchError, Priority, Rates, wait_quantile
from app.store import Store
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, submit

NewStore = Callable[..., Store]


def test_failures_are_counted_in_the_minute_in_which_they_ended(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=0, batch_size=1)
    submit(store, range(1, 6))
    claims = claimed(store, 5)
    clock.advance(60)
    first = int(clock.now() // 60)
    for claim in claims[:2]:
        bury(store, claim, BatchError("Gone", "no such record"))
    clock.advance(120)
    bury(store, claims[2], BatchError("Gone", "no such record"))
    finish(store, claims[3])
    assert {number: one.failed for number, one in store.minutes().items()} == {first - 1: 0, first: 2, first + 2: 1}
    assert store.minutes()[first].interval == 0, "nothing started in it"


def test_waits_are_told_by_priority(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=10, batch_size=1)
    submit(store, range(1, 4), Priority.HIGH)
    submit(store, range(4, 5), Priority.LOW)
    for _ in range(4):
        finish(store, claimed(store)[0])
        clock.advance(10)
    hour = store.minutes().values()
    high = [one.waits_at(Priority.HIGH) for one in hour]
    # They waited 0, 10 and 20 s; a figure is right to a factor of two.
    assert sum(map(sum, high)) == 3
    assert 5 <= (wait_quantile(high, 0.5) or 0) <= 20
    assert 10 <= (wait_quantile(high, 0.95) or 0) <= 40
    assert 15 <= (wait_quantile([one.waits_at(Priority.LOW) for one in hour], 0.5) or 0) <= 60
    assert wait_quantile([one.waits_at(Priority.MEDIUM) for one in hour], 0.5) is None


def test_estimates_are_judged_in_the_minute_of_the_end(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=0, batch_size=1)
    for number in (1, 2):
        submit(store, [number])
    one, two = claimed(store, 2)
    clock.advance(70)
    finish(store, one)
    clock.advance(60)
    finish(store, two)
    last = int(clock.now() // 60)
    judged = {number: (minute.judged, minute.missed) for number, minute in store.minutes().items() if minute.judged}
    assert judged == {last - 1: (1, pytest.approx(70)), last: (1, pytest.approx(130))}


def test_each_minute_has_the_rate_that_was_in_force(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=2, batch_size=1)
    submit(store, range(1, 10))
    claimed(store)
    clock.advance(60)
    store.change_rates(Rates(interval=4))
    (claim,) = claimed(store)
    store.slow_down(claim)
    clock.advance(60)
    # A refusal halves the rate; after a minute a tenth of what is in force is back.
    (*_, now) = (claimed(store), store.minutes())
    assert [round(one.interval, 2) for one in now.values()] == [2, 4, 6.67]


def test_pauses_and_holds_are_told_by_the_second(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=0)
    start = 60.0 * (clock.now() // 60 + 1)
    first = int(start // 60)
    clock.advance_to(start + 30)
    store.hold(60)
    clock.advance_to(start + 40)
    store.hold(100)  # until 140
    clock.advance_to(start + 130)
    store.end_hold()
    clock.advance_to(start + 200)
    store.pause()
    store.hold(5)
    clock.advance_to(start + 250)
    told = {number: (round(one.held, 3), round(one.paused, 3)) for number, one in store.minutes().items()}
    assert told == {first: (30, 0), first + 1: (60, 0), first + 2: (10, 0), first + 3: (0, 40), first + 4: (0, 10)}
    store.resume()
    clock.advance_to(start + 3600 + 30)
    told = {number: (round(one.held, 3), round(one.paused, 3)) for number, one in store.minutes().items()}
    assert told == {first + 1: (60, 0), first + 2: (10, 0), first + 3: (0, 40), first + 4: (0, 10)}


def test_a_long_pause_fills_the_hour(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store()
    store.pause()
    clock.advance(86_430)
    hour = store.minutes()
    assert len(hour) == HOUR
    assert sum(one.paused for one in hour.values()) == pytest.approx(60 * (HOUR - 1) + clock.now() % 60)


def test_very_many_holds_cost_no_more_than_the_latest(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store()
    for _ in range(CHANGES + 100):
        store.hold(0.5)
        clock.advance(1)
    assert sum(one.held for one in store.minutes().values()) == pytest.approx(CHANGES / 2)


def test_of_holds_at_one_moment_the_latest_counts(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store()
    for seconds in (10, 30):
        store.hold(seconds)
    clock.advance(60)
    assert sum(one.held for one in store.minutes().values()) == pytest.approx(30)


def test_each_of_several_pauses_is_told(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(interval=0)
    for _ in range(3):
        store.pause()
        clock.advance(5)
        store.resume()
        clock.advance(10)
    assert sum(one.paused for one in store.minutes().values()) == pytest.approx(15)


@pytest.mark.parametrize("waited", [0, 0.05, 1, 3, 59, 3000, 90_000, 300_000])
def test_a_wait_is_told_to_a_factor_of_two(new_store: NewStore, clock: FakeClock, waited: float) -> None:
    store = new_store()
    submit(store, [1])
    clock.advance(waited)
    claimed(store)
    counts = [one.waits_at(Priority.MEDIUM) for one in store.minutes().values()]
    found = wait_quantile(counts, 0.95)
    assert found is not None
    assert waited / 2 <= found <= 2 * waited + 1 / 16
