"""The workers of a queue, and the effect of their slots on estimates."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import quantiles
from uuid import uuid4

import pytest

from app.core import Concurrency, Priority, WorkerReport
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import claimed, estimate_of, finish, settings, submit
from tests.support.simulation import Simulation


def report(name: str = "a", **more: int) -> WorkerReport:
    return WorkerReport(name, "host", 4711, "1.2.3", **{"slots": 4, "busy": 0, "abandoned": 0, **more})


def test_a_worker_is_listed_until_it_leaves(store: Store, clock: FakeClock) -> None:
    assert store.workers() == []
    store.report(report("a"))
    clock.advance(1)
    store.report(report("b", busy=2, abandoned=1))
    clock.advance(1)
    store.report(report("a", busy=3))
    assert store.workers() == [
        report("a", busy=3)._replace(started_at=START, seen_at=START + 2),
        report("b", busy=2, abandoned=1)._replace(started_at=START + 1, seen_at=START + 1),
    ]
    store.leave("a")
    assert [one.id for one in store.workers()] == ["b"]
    store.leave("nobody")


def test_one_that_is_gone_disappears_after_its_lease(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(lease=60)
    store.report(report("a"))
    clock.advance(59)
    assert [one.id for one in store.workers()] == ["a"]
    store.report(report("b"))
    clock.advance(1)
    assert [one.id for one in store.workers()] == ["b"]
    store.report(report("a"))
    assert [one.started_at for one in store.workers()] in ([START + 59, START + 60], [START, START + 59])


def test_the_slots_in_force_are_those_of_the_id_the_host_or_each(store: Store) -> None:
    a, b, c = (report(name)._replace(host=host) for name, host in (("a", "one"), ("b", "one"), ("c", "two")))
    assert [store.report(one) for one in (a, b, c)] == [4, 4, 4]
    for name, count in ((None, 3), ("one", 2), ("a", 1)):
        store.change_concurrency(name, count, "ann")
    assert [one.slots for one in store.workers()] == [1, 2, 3]
    assert [store.report(one) for one in (a, b, c)] == [1, 2, 3]
    assert store.stats().concurrency == Concurrency(3, {"one": 2, "a": 1})
    store.change_concurrency("one", None)
    assert [one.slots for one in store.workers()] == [1, 3, 3]
    store.change_concurrency(None, None, "bob")
    store.change_concurrency(None, None, "bob")
    assert [store.report(one) for one in (a, b, c)] == [4, 4, 4]
    log = [(one.by, one.action, one.before, one.after) for one in store.audits(2)]
    assert log == [
        ("bob", "change_concurrency", {"concurrency": {"each": 3, "a": 1}}, {"concurrency": {}}),
        (
            None,
            "change_concurrency",
            {"concurrency": {"each": 3, "one": 2, "a": 1}},
            {"concurrency": {"each": 3, "a": 1}},
        ),
    ]


def test_a_worker_that_is_gone_is_forgotten_and_a_host_is_not(store: Store) -> None:
    gone, there = str(uuid4()), str(uuid4())
    store.report(report(gone))
    store.report(report(there))
    for name in (gone, "host", there):
        store.change_concurrency(name, 1)
    store.leave(gone)
    store.change_concurrency(None, 2)
    assert store.stats().concurrency.some == {"host": 1, there: 1}


def test_estimates_follow_another_number_of_slots_at_once(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, concurrency=4)
    submit(store, [1])
    (claim,) = claimed(store)
    clock.advance(60)
    finish(store, claim)
    last = submit(store, range(1, 13))
    for working in (False, True):
        if working:
            store.report(report())
        for count, rounds in ((4, 1), (2, 2), (1, 4)):
            store.change_concurrency(None, count)
            estimate = estimate_of(store, last.id)
            assert estimate is not None
            assert estimate.completion == clock.now() + 60 * rounds


def test_estimates_use_the_slots_of_all_of_them(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=1.0, concurrency=1, lease=1000)
    for name in "abc":
        store.report(report(name, slots=2))
    submit(store, [1])
    (claim,) = claimed(store)
    clock.advance(60)
    finish(store, claim)
    for _ in range(6):
        submit(store, [1], Priority.HIGH)
    (claim,) = claimed(store)
    clock.advance(10)
    low = submit(store, [1], Priority.LOW)
    estimate = estimate_of(store, low.id)
    assert estimate is not None
    # One of six slots is taken, five batches are ahead: the sixth slot is free when the running batch ends.
    assert (estimate.batches_ahead, estimate.start) == (5, clock.now() + 50)
    store.leave("b")
    store.leave("c")
    estimate = estimate_of(store, low.id)
    assert estimate is not None
    assert estimate.start == clock.now() + 2 * 60 + 50


@pytest.mark.parametrize("deviation", [0.0, 30.0])
def test_where_slots_limit_the_next_starts_are_told_to_an_interval_and_two_deviations(
    new_store: Callable[..., Store], clock: FakeClock, deviation: float
) -> None:
    """Four slots, and batches of 300 s: only by how much each differs from that is unknown. 1.96 such are its p95."""
    chosen, chance = {"interval": 5.0, "concurrency": 4, "lease": 100_000}, random.Random(1)
    store = new_store(**chosen)
    simulation = Simulation(store, clock, settings(**chosen), lambda _: (chance.gauss(300.0, deviation), True))
    told: list[tuple[str, float]] = []

    def look() -> None:
        for ingestion in simulation.ingestions:
            estimate = estimate_of(store, ingestion.id)
            if (
                estimate
                and estimate.start
                and estimate.batches_ahead < 4
                and store.get(ingestion.id).counts.yet_to_start
            ):
                told.append((ingestion.id, estimate.start))

    # The first ones show how long a batch takes.
    simulation.at(0.0, lambda: simulation.submit(range(24), Priority.HIGH))
    for number in range(40):
        simulation.at(700.0, lambda: simulation.submit(range(3), Priority.MEDIUM))
        simulation.at(700.0 + number * 73.3, look)
    simulation.run()
    starts = {one.batch.ingestion_id: one.at for one in simulation.starts}
    errors = [abs(start - starts[ingestion_id]) for ingestion_id, start in told]
    assert len(errors) > 50
    assert quantiles(errors, n=20)[-1] < 5.0 + 2 * deviation
