"""The promises, over random schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.core import Estimate, Pauses
from app.core.models import Batch, Priority, Status
from app.errors import Conflict
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import estimate_of, settings
from tests.support.simulation import EPSILON, Simulation, assert_limits, assert_rate

PRIORITIES = st.sampled_from(Priority)
SECONDS = st.integers(0, 400).map(lambda tenths: tenths / 10)
ARRIVALS = st.lists(st.tuples(SECONDS, st.integers(1, 14), PRIORITIES), min_size=1, max_size=8)
CROWD = st.lists(st.tuples(SECONDS, st.integers(1, 14), PRIORITIES), min_size=24, max_size=48)
"""So many that the ready queue is a deep heap, of batches that wait for the first time and of retries."""

LIMITS = st.sampled_from(
    ["", "", "7/min burst 3", "3/20s burst 2, 40/10min burst 12", "1/7s", "30/min, 9/day at 08:01 UTC"]
)
WORK = st.tuples(
    st.sampled_from([0.0, 0.5, 3.0, 7.0, 20.0]),
    st.one_of(st.just(True), st.just(True), st.just(False), st.none(), st.sampled_from([0.0, 2.5, 30.0])),
)


OWNERS = st.sampled_from([None, "ann", "bob"])
PAUSES = st.builds(
    Pauses, st.frozensets(PRIORITIES, max_size=2), st.frozensets(st.sampled_from(["ann", "bob"]), max_size=1)
)
OWNED = st.lists(st.tuples(SECONDS, st.integers(1, 14), PRIORITIES, OWNERS), min_size=1, max_size=12)

SCHEDULE: dict[str, Any] = {
    "work": st.lists(WORK, min_size=1, max_size=6),
    "interval": st.sampled_from([0.5, 5.0]),
    "burst": st.integers(1, 3),
    "concurrency": st.integers(1, 4),
    "priority_aging": st.sampled_from([0.0, 0.0, 3.0]),
    "limits": LIMITS,
}


@given(
    arrivals=ARRIVALS,
    cancels=st.lists(st.tuples(SECONDS, st.integers(0, 7)), max_size=3),
    moves=st.lists(st.tuples(SECONDS, st.integers(0, 7), PRIORITIES), max_size=4),
    **SCHEDULE,
)
def test_order_rate_status_and_roll_up_hold_whatever_happens(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, cancels: Any, moves: Any, work: Any, **chosen: Any
) -> None:
    check_promises(new_store, clock, arrivals, cancels, moves, work, **chosen)


@given(
    arrivals=CROWD,
    cancels=st.lists(st.tuples(SECONDS, st.integers(0, 47)), max_size=12),
    moves=st.lists(st.tuples(SECONDS, st.integers(0, 47), PRIORITIES), max_size=12),
    **SCHEDULE,
)
def test_they_hold_in_a_crowd(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, cancels: Any, moves: Any, work: Any, **chosen: Any
) -> None:
    check_promises(new_store, clock, arrivals, cancels, moves, work, **chosen)


@given(
    arrivals=OWNED,
    cancels=st.lists(st.tuples(SECONDS, st.integers(0, 11)), max_size=3),
    moves=st.lists(st.tuples(SECONDS, st.integers(0, 11), PRIORITIES), max_size=4),
    pauses=st.lists(st.tuples(SECONDS, st.sampled_from(["pause", "resume"]), PAUSES), min_size=1, max_size=8),
    **SCHEDULE,
)
def test_they_hold_while_some_priorities_and_callers_are_paused(
    new_store: Callable[..., Store], clock: FakeClock, **schedule: Any
) -> None:
    check_promises(new_store, clock, **schedule)


def check_promises(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    cancels: Any,
    moves: Any,
    work: Any,
    pauses: Any = (),
    **chosen: Any,
) -> None:
    clock.reset()
    attempts: dict[tuple[str, int], int] = {}
    tries: dict[tuple[str, int], int] = {}

    def outcome(batch: Batch) -> tuple[float, bool | float | None]:
        key = (batch.ingestion_id, batch.position)
        assert batch.attempt == attempts.get(key, 0) + 1
        seconds, ends = work[len(simulation.starts) % len(work)]
        tries[key] = tries.get(key, 0) + 1
        # Eventually everything succeeds, or the schedule would never end.
        ends = True if tries[key] > 3 else ends
        attempts[key] = batch.attempt - (ends is None)
        return seconds, ends

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), outcome)
    cancelled = set()

    def cancel(which: int) -> None:
        if which < len(simulation.ingestions):
            ingestion = simulation.ingestions[which]
            if not simulation.store.get(ingestion.id).status.final:
                simulation.cancel(ingestion)
                cancelled.add(ingestion.id)

    for at, count, *whose in arrivals:
        simulation.at(at, lambda count=count, whose=whose: simulation.submit(range(1, count + 1), *whose))
    for at, verb, what in pauses:
        if what:
            simulation.at(at, lambda verb=verb, what=what: getattr(simulation, verb)(what))
    if pauses:
        simulation.at(1000, lambda: simulation.resume(Pauses(frozenset(Priority), frozenset({"ann", "bob"}))))
    for at, which in cancels:
        simulation.at(at, lambda which=which: cancel(which))
    for at, which, priority in moves:
        simulation.at(at, lambda which=which, priority=priority: move(simulation, which, priority))
    simulation.run()

    starts = [start.at for start in simulation.starts]
    assert_rate(starts, chosen["interval"], chosen["burst"])
    assert_limits(starts, simulation.settings.limits)
    for ingestion in simulation.ingestions:
        after, batches = simulation.store.batches(ingestion.id)
        assert after.status.final
        if ingestion.id not in cancelled:
            assert not after.counts.cancelled
            assert [one for batch in batches for one in batch.ids] == list(range(1, ingestion.id_count + 1))
        done = {id_ for id_, _ in simulation.store.results(ingestion.id)}
        assert done == {id_ for batch in batches if batch.status == Status.COMPLETED for id_ in batch.ids}


def move(simulation: Simulation, which: int, priority: Priority) -> None:
    if which < len(simulation.ingestions):
        with suppress(Conflict):
            simulation.move(simulation.ingestions[which], priority)


@given(arrivals=ARRIVALS, aging=st.sampled_from([0.5, 4.0, 20.0]))
def test_with_aging_nobody_is_overtaken_by_much_younger_ones(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, aging: float
) -> None:
    clock.reset()
    chosen = {"interval": 5.0, "priority_aging": aging}
    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), lambda _: (0.0, True))
    for at, count, priority in arrivals:
        simulation.at(at, lambda count=count, priority=priority: simulation.submit(range(1, count + 1), priority))
    simulation.run()
    known = {ingestion.id: ingestion for ingestion in simulation.ingestions}
    for number, start in enumerate(simulation.starts):
        ours = known[start.batch.ingestion_id]
        for later in simulation.starts[number + 1 :]:
            theirs = known[later.batch.ingestion_id]
            if theirs.created_at > start.at:
                continue
            head_start = (theirs.priority - ours.priority) * aging
            assert ours.created_at <= theirs.created_at + head_start + EPSILON


@given(
    arrivals=OWNED,
    cancels=st.sets(st.integers(0, 7), max_size=2),
    moves=st.lists(st.tuples(st.integers(0, 7), PRIORITIES), max_size=3),
    pauses=st.lists(PAUSES.filter(bool), max_size=2),
    retries=st.integers(0, 3),
    burst=st.integers(1, 3),
    aging=st.sampled_from([0.0, 3.0]),
    hold=st.sampled_from([0.0, 0.0, 33.3]),
    limits=LIMITS,
)
def test_estimates_are_exact_when_nothing_else_arrives(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    cancels: set[int],
    moves: Any,
    pauses: Any,
    retries: int,
    burst: int,
    aging: float,
    hold: float,
    limits: str,
) -> None:
    clock.reset()
    chosen = {"interval": 5.0, "burst": burst, "priority_aging": aging, "concurrency": 4, "limits": limits}
    expected: dict[str, tuple[Estimate, int]] = {}

    def work(_: Batch) -> tuple[float, float | bool]:
        # What is looked at has retries that wait already, and causes no more of them.
        return 0.0, 30.0 if len(simulation.starts) <= retries and not expected else True

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work)
    store = simulation.store
    for at, count, *whose in arrivals:
        simulation.at(at, lambda count=count, whose=whose: simulation.submit(range(1, count + 1), *whose))

    def look() -> None:
        for what in pauses[:1]:
            simulation.pause(what)
        for which in cancels:
            if which < len(simulation.ingestions) and not store.get(simulation.ingestions[which].id).status.final:
                simulation.cancel(simulation.ingestions[which])
        for which, priority in moves:
            move(simulation, which, priority)
        for what in pauses[1:]:
            simulation.resume(what)
            simulation.pause(what)
        store.hold(hold)
        for ingestion in simulation.ingestions:
            if estimate := estimate_of(store, ingestion.id):
                expected[ingestion.id] = estimate, len(simulation.starts)

    simulation.at(max(at for at, *_ in arrivals), look)
    simulation.run()

    parked = {one.id for one in simulation.ingestions if simulation.is_parked(one)}
    for ingestion_id, (estimate, before) in expected.items():
        if ingestion_id in parked:
            assert (estimate.start, estimate.completion) == (None, None)
            assert store.get(ingestion_id).finished_at is None
            continue
        later = simulation.starts[before:]
        mine = [start.at for start in later if start.batch.ingestion_id == ingestion_id]
        ahead = [start.batch.ingestion_id for start in later].index(ingestion_id)
        assert estimate.batches_ahead == ahead
        assert estimate.start is not None
        assert estimate.completion is not None
        assert abs(estimate.start - mine[0]) < 0.001
        assert abs(estimate.completion - mine[-1]) < 0.001
        finished_at = store.get(ingestion_id).finished_at
        assert finished_at is not None
        assert abs(estimate.completion - finished_at) < 0.001


@given(arrivals=ARRIVALS, count=st.integers(1, 20), priority=PRIORITIES)
def test_a_quote_is_kept_when_it_is_taken_at_once(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, count: int, priority: Priority
) -> None:
    clock.reset()
    simulation = Simulation(new_store(), clock, settings(), lambda _: (0.0, True))
    for at, size, urgency in arrivals:
        simulation.at(at, lambda size=size, urgency=urgency: simulation.submit(range(1, size + 1), urgency))
    quoted = []

    def take() -> None:
        quoted.append(simulation.store.quote(-(-count // 3))[priority])
        quoted.append(simulation.submit(range(1, count + 1), priority).id)

    simulation.at(max(at for at, _, _ in arrivals), take)
    simulation.run()
    quote, ingestion_id = quoted
    starts = [start.at for start in simulation.starts if start.batch.ingestion_id == ingestion_id]
    assert (round(quote.start, 3), round(quote.completion, 3)) == (round(starts[0], 3), round(starts[-1], 3))
    assert quote.start >= START


@given(arrivals=ARRIVALS, seconds=st.sampled_from([0.0, 0.3, 4.0, 9.0]), burst=st.integers(1, 2))
def test_a_client_that_asks_when_told_to_never_learns_late_and_seldom_in_vain(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, seconds: float, burst: int
) -> None:
    clock.reset()
    chosen = {"interval": 5.0, "burst": burst, "concurrency": 4}
    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), lambda _: (seconds, True))
    store, ingestion_id = simulation.store, ""
    looks: list[tuple[float, tuple[Status, ...]]] = []

    def look() -> None:
        estimate = estimate_of(store, ingestion_id)
        looks.append((clock.now(), tuple(batch.status for batch in store.batches(ingestion_id)[1])))
        if estimate:
            assert estimate.next_change is not None
            wait = max(1, math.ceil(estimate.next_change - clock.now()))
            simulation.at(clock.now() - START + wait, look)

    def begin() -> None:
        nonlocal ingestion_id
        ingestion_id = simulation.submit(range(1, 8), Priority.LOW).id
        look()

    # Nothing arrives after the watched ingestion.
    last = max(at for at, _, _ in arrivals)
    for at, count, priority in arrivals:
        simulation.at(at, lambda count=count, priority=priority: simulation.submit(range(1, count + 1), priority))
    simulation.at(last, begin)
    simulation.run()

    mine = [start.at for start in simulation.starts if start.batch.ingestion_id == ingestion_id]
    changes = sorted(moment for start in mine for moment in (start, start + seconds))
    for change in changes:
        assert any(change - EPSILON <= at <= change + 1 + EPSILON for at, _ in looks)
    # While a batch runs, polling once a second is expected; at any other time every poll finds something new, except
    # one in the same second as a change.
    running = sum(seconds + 1 for _ in mine)
    assert len(looks) <= 1 + len(changes) + running
