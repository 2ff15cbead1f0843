"""Estimates with retries, holds, cancels, aging and bursts, against a simulation that knows only the rules."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Batch, Depth, Estimate, Priority, Quote
from app.errors import BacklogFull, TooLate
from app.outcomes import Outcome
from app.store import Store, Submission
from tests.support.clock import START, FakeClock
from tests.support.queueing import claimed, ended, estimate_of, finish, retry, settings, submit
from tests.support.simulation import BOOM, Simulation

# Not a multiple of the interval: when a token and a retry coincide, rounding decides which comes first.
DELAYS = st.integers(1, 80).map(lambda number: number * 1.37)
ARRIVALS = st.lists(
    st.tuples(st.integers(0, 300).map(lambda tenths: tenths / 10), st.integers(1, 14), st.sampled_from(Priority)),
    min_size=1,
    max_size=8,
)


@given(
    arrivals=ARRIVALS,
    delays=st.lists(st.one_of(st.none(), DELAYS), min_size=1, max_size=12),
    cancels=st.sets(st.integers(0, 7), max_size=2),
    burst=st.integers(1, 3),
    aging=st.sampled_from([0.0, 3.0]),
    hold=st.sampled_from([0.0, 0.0, 33.3]),
    look_after=st.sampled_from([0.0, 7.1, 41.3]),
    limits=st.sampled_from(["", "", "7/min burst 3", "3/20s burst 2, 40/10min burst 12", "9/day at 08:01 UTC"]),
)
def test_estimates_are_exact_with_retries(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    delays: Any,
    cancels: set[int],
    burst: int,
    aging: float,
    hold: float,
    look_after: float,
    limits: str,
) -> None:
    clock.reset()
    chosen = {"interval": 5.0, "burst": burst, "priority_aging": aging, "concurrency": 4, "limits": limits}
    looked = False

    def work(_: Batch) -> tuple[float, bool | float]:
        """Attempts before the estimate fail as scheduled; all later ones succeed."""
        count = len(simulation.starts)
        delay = delays[count % len(delays)]
        # No two alike: where retries fall due at one moment, rounding decides which comes first.
        return 0.0, True if looked or delay is None else delay + count * 0.0073

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work)
    store, expected = simulation.store, {}
    for at, count, priority in arrivals:
        simulation.at(at, lambda count=count, priority=priority: simulation.submit(range(1, count + 1), priority))
    told: dict[str, Any] = {}

    def look() -> None:
        nonlocal looked
        looked = True
        for which in cancels:
            if which < len(simulation.ingestions) and not store.get(simulation.ingestions[which].id).status.final:
                simulation.cancel(simulation.ingestions[which])
        if hold:
            store.hold(hold)
        for ingestion in simulation.ingestions:
            if estimate := estimate_of(store, ingestion.id):
                expected[ingestion.id] = estimate
        told["starts"] = len(simulation.starts)
        told["depths"] = store.stats().depths
        told["upcoming"] = store.upcoming(12)

    simulation.at(max(at for at, _, _ in arrivals) + look_after, look)
    simulation.run()

    later = simulation.starts[told["starts"] :]
    for ingestion_id, estimate in expected.items():
        mine = [start.at for start in later if start.batch.ingestion_id == ingestion_id]
        ahead = [start.batch.ingestion_id for start in later].index(ingestion_id)
        assert estimate.batches_ahead == ahead
        assert estimate.start == pytest.approx(mine[0], abs=0.001)
        assert estimate.completion == pytest.approx(mine[-1], abs=0.001)
        assert estimate.next_change == pytest.approx(mine[0], abs=0.001)
    assert len(told["upcoming"]) == min(12, len(later))
    for (batch, at), start in zip(told["upcoming"], later, strict=False):
        assert (batch.ingestion_id, batch.position) == (start.batch.ingestion_id, start.batch.position)
        assert at == pytest.approx(start.at, abs=0.001)
    if not aging:
        for priority in Priority:
            depth: Depth = told["depths"][priority]
            mine = [start.at for start in later if start.batch.priority == priority]
            if depth.waiting:
                assert depth.drained_at == pytest.approx(mine[-1], abs=0.001)


@given(
    arrivals=ARRIVALS,
    delays=st.lists(DELAYS, min_size=1, max_size=12),
    burst=st.integers(1, 3),
    aging=st.sampled_from([0.0, 3.0]),
    hold=st.sampled_from([0.0, 0.0, 33.3]),
    look_after=st.sampled_from([0.0, 7.1, 41.3, 97.9]),
    limits=st.sampled_from(["", "", "7/min burst 3", "9/day at 08:01 UTC"]),
    simulated=st.integers(1, 6),
    counts=st.sampled_from([1, 2, 1000]),
)
def test_beyond_the_retries_that_are_played_through_nothing_starts_sooner_than_told(
    new_store: Callable[..., Store],
    clock: FakeClock,
    arrivals: Any,
    delays: Any,
    burst: int,
    aging: float,
    hold: float,
    look_after: float,
    limits: str,
    simulated: int,
    counts: int,
) -> None:
    """Nor later, unless something less urgent starts before it, nothing does where something could, or `counts` of a
    database are too few.
    """
    clock.reset()
    chosen = {"interval": 5.0, "burst": burst, "priority_aging": aging, "concurrency": 4, "limits": limits}
    expected, due_at, looked_at = dict[str, Estimate](), dict[tuple[str, int], float](), 0

    def work(batch: Batch) -> tuple[float, bool | float]:
        """Attempts before the estimate fail, all later ones succeed."""
        if expected:
            return 0.0, True
        count = len(simulation.starts)
        delay = delays[count % len(delays)] + count * 0.0073
        due_at[batch.ingestion_id, batch.position] = clock.now() + delay
        return 0.0, delay

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work)
    store = simulation.store
    for at, count, priority in arrivals:
        simulation.at(at, lambda count=count, priority=priority: simulation.submit(range(1, count + 1), priority))

    def look() -> None:
        nonlocal looked_at
        looked_at = len(simulation.starts)
        store.hold(hold)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("app.core.starts.EXACT_RETRIES", simulated)
            patched.setattr("app.sql.aside._MOST", simulated + 1)
            patched.setattr("app.sql.aside._COUNTS", counts)
            for ingestion in simulation.ingestions:
                estimate = estimate_of(store, ingestion.id)
                assert estimate is not None
                expected[ingestion.id] = estimate

    simulation.at(max(at for at, _, _ in arrivals) + look_after, look)
    simulation.run()

    later = simulation.starts[looked_at:]
    place_of = {one.id: simulation.place(one, 0) for one in simulation.ingestions}
    places = [place_of[start.batch.ingestion_id] for start in later]
    dues = [due_at.get((start.batch.ingestion_id, start.batch.position), 0.0) for start in later]
    idle = [start.at - due < 1e-5 for start, due in zip(later, dues, strict=True)]
    for ingestion_id, told in expected.items():
        assert told.start is not None
        assert told.completion is not None
        mine = [nth for nth, place in enumerate(places) if place == place_of[ingestion_id]]
        first, last = later[mine[0]].at, later[mine[-1]].at
        assert told.batches_ahead <= mine[0]
        assert told.start < first + 0.001
        assert told.completion < last + 0.001
        if counts < 1000:
            continue
        busy = [place <= place_of[ingestion_id] and not gap for place, gap in zip(places, idle, strict=True)]
        if all(busy[: mine[0] + 1]):
            assert told.batches_ahead == mine[0]
            assert told.start > first - 0.001
        if all(busy[: mine[-1] + 1]):
            assert told.completion > last - 0.001


@given(
    failing=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(Priority), DELAYS), min_size=1, max_size=6),
    count=st.integers(1, 20),
    priority=st.sampled_from(Priority),
)
def test_a_quote_is_exact_with_retries(
    new_store: Callable[..., Store], clock: FakeClock, failing: Any, count: int, priority: Priority
) -> None:
    clock.reset()
    delay_of = {}

    def work(batch: Batch) -> tuple[float, bool | float]:
        return 0.0, delay_of[batch.ingestion_id] if batch.attempt == 1 and batch.ingestion_id in delay_of else True

    simulation = Simulation(new_store(), clock, settings(), work)

    def fail(size: int, urgency: Priority, delay: float) -> None:
        delay_of[simulation.submit(range(1, size + 1), urgency).id] = delay

    for size, urgency, delay in failing:
        simulation.at(0.0, lambda size=size, urgency=urgency, delay=delay: fail(size, urgency, delay))
    quoted: list[Any] = []

    def take() -> None:
        # Nothing fails from here on, so that the quote can hold.
        delay_of.clear()
        quoted.append(simulation.store.quote(-(-count // 3))[priority])
        quoted.append(simulation.submit(range(1, count + 1), priority).id)

    simulation.at(21.9, take)
    simulation.run()
    quote, ingestion_id = quoted
    assert isinstance(quote, Quote)
    starts = [start.at for start in simulation.starts if start.batch.ingestion_id == ingestion_id]
    assert quote.start == pytest.approx(starts[0], abs=0.001)
    assert quote.completion == pytest.approx(starts[-1], abs=0.001)


class TestTwentyUrgentBatchesThatAreRetriedInTenMinutes:
    """They take no token until then, so a new arrival starts at once."""

    @pytest.fixture
    def make(self, new_store: Callable[..., Store], clock: FakeClock) -> Callable[..., Store]:
        def made(**chosen: Any) -> Store:
            store = new_store(interval=5.0, **chosen)
            submit(store, range(1, 61), Priority.HIGH)
            for _ in range(20):
                (claim,) = claimed(store)
                retry(store, claim, BOOM, 600.0)
                clock.advance(5.0)
            return store

        return made

    def test_the_status(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make()
        low = submit(store, [1], Priority.LOW)
        estimate = estimate_of(store, low.id)
        assert estimate is not None
        assert (estimate.batches_ahead, estimate.start, estimate.next_change) == (0, clock.now(), clock.now())

    def test_the_quote(self, make: Callable[..., Store], clock: FakeClock) -> None:
        assert make().quote(1)[Priority.LOW] == Quote(0, clock.now(), clock.now())

    def test_a_deadline(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make()
        submit(store, [1], Priority.LOW, deadline=clock.now() + 2)
        with pytest.raises(TooLate):
            submit(store, range(1, 10), Priority.LOW, deadline=clock.now() + 2)

    def test_a_full_queue_says_when_there_is_room(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make(max_pending=20)
        with pytest.raises(BacklogFull) as refused:
            submit(store, [1], Priority.LOW)
        assert refused.value.retry_after == pytest.approx(START + 600 - clock.now(), abs=0.001)
        clock.advance(refused.value.retry_after)
        finish(store, claimed(store)[0])
        submit(store, [1], Priority.LOW)

    def test_room_behind_a_gap_is_told_to_the_moment(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make(max_pending=21)
        submit(store, [1], Priority.LOW)
        with pytest.raises(BacklogFull) as refused:
            submit(store, range(1, 16), Priority.LOW)
        # One starts at once, the other four of five only once they are due, an interval apart.
        assert refused.value.retry_after == pytest.approx(START + 600 + 3 * 5.0 - clock.now(), abs=0.001)

    def test_the_queue_agrees(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make()
        low = submit(store, [1], Priority.LOW)
        (first, at), (second, then), *_ = store.upcoming(5)
        assert (first.ingestion_id, at) == (low.id, clock.now())
        assert second.ingestion_id != low.id
        assert then == pytest.approx(START + 600, abs=0.001)

    def test_their_own_estimate(self, make: Callable[..., Store], clock: FakeClock) -> None:
        store = make()
        (high,) = store.ingestions()
        estimate = estimate_of(store, high.id)
        assert estimate is not None
        assert estimate.batches_ahead == 0
        assert estimate.start == pytest.approx(START + 600, abs=0.001)
        assert estimate.completion == pytest.approx(START + 600 + 95, abs=0.001)
        assert math.isclose(estimate.next_change or 0.0, START + 600, abs_tol=0.001)
        assert clock.now() == START + 100


def test_beyond_what_is_played_through_there_are_bounds(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0.0, concurrency=600)
    high = submit(store, range(1, 1801), Priority.HIGH)
    for number, claim in enumerate(claimed(store, 600)):
        retry(store, claim, BOOM, 600.0 + number)
    estimate = estimate_of(store, high.id)
    assert estimate is not None
    assert (estimate.start, estimate.completion) == (START + 600, START + 600 + 599)
    low = submit(store, [1], Priority.LOW)
    behind = estimate_of(store, low.id)
    assert behind is not None
    assert (behind.start, behind.completion) == (clock.now(), clock.now())
    depths = store.stats().depths
    assert [depths[one].drained_at for one in (Priority.HIGH, Priority.LOW)] == [START + 600 + 599, clock.now()]


def test_the_estimates_of_an_outage_are_exact(new_store: Callable[..., Store]) -> None:
    """More wait for their retry than are played through, and while they fall due tokens are short."""
    store = new_store(interval=5.0, burst=700, concurrency=700, batch_size=1)
    found = [submit(store, range(size), priority) for size, priority in ((300, 1), (250, 2), (155, 3))]
    waiting = dict.fromkeys([(one.order, position) for one in found for position in range(one.batch_count)], START)
    for number, claim in enumerate(claimed(store, 700)):
        order = next(one.order for one in found if one.id == claim.batch.ingestion_id)
        delay = 30.0 + number * 173.37 % 900
        retry(store, claim, BOOM, delay)
        waiting[order, claim.batch.position] = START + delay
    told = {one.order: estimate_of(store, one.id) for one in found}

    starts, at, tokens = list[tuple[int, float]](), START, 0.0
    while waiting:
        then = max(at, min(waiting.values()))
        at, tokens = then, tokens + (then - at) / 5
        if tokens < 1:
            at, tokens = at + (1 - tokens) * 5, 1.0
        batch = min(one for one, due in waiting.items() if due <= at)
        del waiting[batch]
        starts.append((batch[0], at))
        tokens -= 1
    for order, estimate in told.items():
        mine = [at for one, at in starts if one == order]
        assert estimate is not None
        assert estimate.batches_ahead == [one for one, _ in starts].index(order)
        assert (estimate.start, estimate.completion) == pytest.approx((mine[0], mine[-1]), abs=0.001)


def test_very_many_retries_that_are_not_due_hold_nothing_up(
    new_store: Callable[..., Store],
) -> None:
    """After an upstream's outage, whatever was tried meanwhile waits for its retry."""
    store = new_store(interval=5.0, burst=700, concurrency=700, batch_size=1)
    urgent = submit(store, range(600), Priority.HIGH)
    submit(store, range(100), Priority.LOW)
    for claim in claimed(store, 700):
        retry(store, claim, BOOM, 600.0 if claim.batch.ingestion_id == urgent.id else 100.0)
    added = store.add(Submission(array("q", [1, 2]), Priority.MEDIUM, deadline=START + 11))[0]
    estimate = estimate_of(store, added.id)
    assert estimate is not None
    assert (estimate.batches_ahead, estimate.start, estimate.completion) == (0, START + 5, START + 10)
    quote = store.quote(1)[Priority.LOW]
    assert (quote.batches_ahead, quote.start) == (2, START + 15)
    # Once they are due, they go first.
    assert store.quote(117)[Priority.MEDIUM].completion == START + 595
    assert store.quote(118)[Priority.MEDIUM].completion == START + 600 + 5 * 600


def test_the_bounds_are_those_of_the_ingestions_own_retries(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0.0, concurrency=800, batch_size=1)
    found = [
        submit(store, range(200), priority) for priority in (Priority.LOW, Priority.LOW, Priority.HIGH, Priority.HIGH)
    ]
    dues = {one.id: [600.0 + 10 * place + 3 * number for number in range(200)] for place, one in enumerate(found)}
    for claim in claimed(store, 800):
        retry(store, claim, BOOM, dues[claim.batch.ingestion_id][claim.batch.position])
    for one in found:
        told = estimate_of(store, one.id)
        assert told is not None
        assert (told.start, told.completion) == (START + dues[one.id][0], START + dues[one.id][-1])


@pytest.mark.parametrize("aging", [0, 60])
def test_what_is_ahead_is_counted_to_the_ingestion_wherever_stores_divide_them(
    new_store: Callable[..., Store], clock: FakeClock, aging: float
) -> None:
    store, ids = new_store(priority_aging=aging), []
    for _ in range(260):
        ids.append(submit(store, [1]).id)
        clock.advance(1)
    urgent = submit(store, [1], Priority.HIGH)
    for nth in (0, 1, 254, 255, 256, 259):
        told = estimate_of(store, ids[nth])
        assert told is not None
        # With aging, HIGH goes before what came less than a minute sooner.
        assert told.batches_ahead == nth + (nth > 200 if aging else 1)
    told = estimate_of(store, urgent.id)
    assert told is not None
    assert told.batches_ahead == (201 if aging else 0)


def test_what_is_ahead_is_exact_among_many_accepted_at_one_moment(new_store: Callable[..., Store]) -> None:
    store = new_store(priority_aging=10.0)
    made = [submit(store, [1]) for _ in range(258)]
    estimates = [estimate_of(store, made[which].id) for which in (0, 255, 256, 257)]
    assert [one and one.batches_ahead for one in estimates] == [0, 255, 256, 257]


def test_what_falls_due_before_a_slot_is_free_is_ahead(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5.0, burst=3, concurrency=1)
    made = submit(store, range(6), Priority.HIGH)
    low = submit(store, [1], Priority.LOW)
    first, second, last = claimed(store, 3)
    ended(store, last, Outcome.release(9.0))
    retry(store, first, BOOM, 0.0)
    clock.advance(30.0)
    retry(store, second, BOOM, 6.0)  # after the next token, but before the slot is free again
    told = estimate_of(store, low.id)
    assert told is not None
    assert told.batches_ahead == 2
    batches = [batch for batch, _ in store.upcoming(9)]
    assert [batch.ingestion_id for batch in batches] == [made.id, made.id, low.id]
    assert [(batch.started_at, batch.next_attempt_at) for batch in batches] == [
        (START, START), (START, START + 36), (None, START + 9)
    ]  # fmt: skip
