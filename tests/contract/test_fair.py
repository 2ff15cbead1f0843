"""Callers take turns inside a priority: whose batch goes next, what each gets, and what is told of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.verify import verify
from app.core import Batch, Ingestion, Pauses, Priority, Wait
from app.errors import BacklogFull, Conflict, QuotaFull, TooLate
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, estimate_of, finish, release, retry, settings, submit
from tests.support.simulation import BOOM, EPSILON, Simulation

OWNERS = st.sampled_from([None, "nightly", "web", "é", "desk"])
WEIGHTS = st.sampled_from(["", "", "nightly:1,web:4", "web:3,desk:2,é:5"])
PRIORITIES = st.sampled_from([Priority.MEDIUM, Priority.MEDIUM, Priority.HIGH, Priority.LOW])
SECONDS = st.integers(0, 300).map(lambda tenths: tenths / 10)
# Not a multiple of the interval: when a token and a retry coincide, rounding decides which comes first.
DELAYS = st.integers(1, 80).map(lambda number: number * 1.37)
ARRIVALS = st.lists(st.tuples(SECONDS, st.integers(1, 16), PRIORITIES, OWNERS), min_size=1, max_size=10)
CANCELS = st.lists(st.tuples(SECONDS, st.integers(0, 9)), max_size=3)
LIMITS = st.sampled_from(["", "", "7/min burst 3", "3/20s burst 2, 40/10min burst 12", "9/day at 08:01 UTC"])
MOVES = st.lists(st.tuples(st.integers(0, 9), PRIORITIES), max_size=3)
PAUSES = st.sampled_from(
    [
        Pauses(),
        Pauses(),
        Pauses(owners=frozenset({"nightly", "web"})),
        Pauses(frozenset({Priority.MEDIUM})),
        Pauses(frozenset({Priority.HIGH}), frozenset({"desk"})),
    ]
)
OUTCOMES = st.one_of(st.just(True), st.just(True), st.just(False), st.none(), st.sampled_from([0.0, 2.5, 30.0]))


def simulated(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, work: Any = None, **chosen: Any
) -> Simulation:
    """A simulation in which these arrive."""
    clock.reset()
    # A quota of a day stretches a schedule over a week, and what ended is looked at afterwards.
    chosen = {"fair": True, "interval": 5.0, "concurrency": 4, "retention": 30 * 86400.0} | chosen
    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work or (lambda _: (0.0, True)))
    for nth, (at, count, priority, owner) in enumerate(arrivals):
        ids = range(nth * 20, nth * 20 + count)
        simulation.at(at, lambda one=(ids, priority, owner): simulation.submit(*one))  # type: ignore[misc]
    return simulation


def move(simulation: Simulation, which: int, priority: Priority) -> None:
    if which < len(simulation.ingestions):
        with suppress(Conflict):
            simulation.move(simulation.ingestions[which], priority)


def cancel(simulation: Simulation, which: int) -> None:
    if which < len(simulation.ingestions):
        ingestion = simulation.ingestions[which]
        if not simulation.store.get(ingestion.id).status.final:
            simulation.cancel(ingestion)


@given(
    arrivals=ARRIVALS,
    cancels=CANCELS,
    work=st.lists(st.tuples(st.sampled_from([0.0, 0.5, 7.0]), OUTCOMES), min_size=1, max_size=6),
    weights=WEIGHTS,
    burst=st.integers(1, 3),
    aging=st.sampled_from([0.0, 0.0, 3.0]),
    fill=st.booleans(),
)
def test_the_caller_whose_turn_it_is_goes_next_whatever_happens(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, cancels: Any, work: Any, weights: str,
    burst: int, aging: float, *, fill: bool,
) -> None:  # fmt: skip
    tries: dict[str, int] = {}

    def outcome(batch: Batch) -> tuple[float, bool | float | None]:
        tries[batch.id] = tries.get(batch.id, 0) + 1
        seconds, ends = work[len(simulation.starts) % len(work)]
        # Eventually everything succeeds, or the schedule would never end.
        return seconds, True if tries[batch.id] > 3 else ends

    chosen = {"fair_weights": weights, "burst": burst, "priority_aging": aging, "fill": fill}
    simulation = simulated(new_store, clock, arrivals, outcome, **chosen)
    for at, which in cancels:
        simulation.at(at, lambda which=which: cancel(simulation, which))
    simulation.run()
    assert all(simulation.store.get(one.id).status.final for one in simulation.ingestions)
    log, fair = simulation.store.dispatches(1000), dict(simulation.settings.fair_weights)
    assert not verify(log, interval=5.0, burst=burst, fair=fair)


@given(arrivals=ARRIVALS, cancels=CANCELS, weights=WEIGHTS, burst=st.integers(1, 3), fill=st.booleans())
def test_nobody_is_more_than_one_batch_ahead_of_its_share_while_both_wait(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, cancels: Any, weights: str, burst: int,
    *, fill: bool,
) -> None:  # fmt: skip
    waiting: list[set[tuple[Priority, str | None]]] = []
    """Who waited at each start with a token, the one that started included."""
    started: list[Ingestion] = []

    def noted(batch: Batch) -> tuple[float, bool]:
        if not simulation.starts[-1].rides:
            known = {one.order: one for one in simulation.ingestions}
            started.append(next(one for one in known.values() if one.id == batch.ingestion_id))
            who = [*(known[order] for _, order, _ in simulation.waiting), started[-1]]
            waiting.append({(one.priority, one.owner) for one in who})
        return 0.0, True

    simulation = simulated(new_store, clock, arrivals, noted, fair_weights=weights, burst=burst, fill=fill)
    for at, which in cancels:
        simulation.at(at, lambda which=which: cancel(simulation, which))
    simulation.run()
    weight = dict(simulation.settings.fair_weights)
    callers = {(one.priority, one.owner) for one in started}
    for one in callers:
        for other in callers:
            if one == other or one[0] != other[0]:
                continue
            mine, theirs = 1 / weight.get(one[1] or "", 1), 1 / weight.get(other[1] or "", 1)
            lead = least = 0.0
            for number, ingestion in enumerate(started):
                if not {one, other} <= waiting[number]:
                    lead = least = 0.0
                    continue
                who = ingestion.priority, ingestion.owner
                lead += mine * (who == one) - theirs * (who == other)
                least = min(least, lead)
                # What one of them got more than the other, counted in turns of each, over any stretch.
                assert lead - least <= mine + theirs + EPSILON


@given(arrivals=ARRIVALS, cancels=CANCELS, weights=WEIGHTS)
def test_inside_a_caller_creation_order_holds(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, cancels: Any, weights: str
) -> None:
    simulation = simulated(new_store, clock, arrivals, fair_weights=weights)
    for at, which in cancels:
        simulation.at(at, lambda which=which: cancel(simulation, which))
    simulation.run()
    known = {one.id: one for one in simulation.ingestions}
    latest: dict[Any, tuple[int, int]] = {}
    for start in simulation.starts:
        ingestion = known[start.batch.ingestion_id]
        key, place = (ingestion.priority, ingestion.owner), (ingestion.order, start.batch.position)
        assert latest.get(key, (0, 0)) <= place
        latest[key] = place


@given(
    arrivals=ARRIVALS,
    delays=st.one_of(st.just([None]), st.lists(st.one_of(st.none(), DELAYS), min_size=1, max_size=12)),
    cancels=st.sets(st.integers(0, 9), max_size=2),
    moves=MOVES,
    pauses=st.lists(PAUSES, min_size=2, max_size=2),
    weights=WEIGHTS,
    burst=st.integers(1, 3),
    hold=st.sampled_from([0.0, 0.0, 33.3]),
    look_after=st.sampled_from([0.0, 7.1, 41.3]),
    limits=LIMITS,
    aging=st.sampled_from([0.0, 0.0, 3.0, 100.0]),
)
def test_estimates_are_exact_with_retries(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, delays: Any, cancels: set[int], moves: Any,
    pauses: Any, weights: str, burst: int, hold: float, look_after: float, limits: str, aging: float,
) -> None:  # fmt: skip
    looked = False

    def work(_: Batch) -> tuple[float, bool | float]:
        """Attempts before the estimate fail as scheduled; all later ones succeed."""
        delay = delays[len(simulation.starts) % len(delays)]
        return 0.0, True if looked or delay is None else delay

    chosen = {"fair_weights": weights, "burst": burst, "limits": limits, "priority_aging": aging}
    simulation = simulated(new_store, clock, arrivals, work, **chosen)
    store, expected, told = simulation.store, {}, dict[str, Any]()

    def look() -> None:
        nonlocal looked
        looked = True
        before, after = pauses
        if before:
            simulation.resume(before)
        if after:
            simulation.pause(after)
        for which, priority in moves:
            move(simulation, which, priority)
        for which in cancels:
            cancel(simulation, which)
        if hold:
            store.hold(hold)
        for ingestion in simulation.ingestions:
            if estimate := estimate_of(store, ingestion.id):
                expected[ingestion.id] = estimate
        told["starts"] = len(simulation.starts)
        told["depths"] = store.stats().depths
        told["upcoming"] = store.upcoming(12)
        in_line = {one.order for one in simulation.ingestions if not simulation.is_parked(one)}
        told["retries"] = sum(due > clock.now() and at[1] in in_line for at, due in simulation.waiting.items())
        assert store.upcoming(2) == told["upcoming"][:2]
        assert not told["retries"] or not any(estimate.at_latest for estimate in expected.values())

    if pauses[0]:
        simulation.at(7.3, lambda: simulation.pause(pauses[0]))
    simulation.at(max(7.5, *(at for at, *_ in arrivals)) + look_after, look)
    simulation.run()
    later = simulation.starts[told["starts"] :]
    assert len(told["upcoming"]) == min(12, len(later))
    for (batch, at), start in zip(told["upcoming"], later, strict=False):
        assert (batch.ingestion_id, batch.position) == (start.batch.ingestion_id, start.batch.position)
        assert at == pytest.approx(start.at, abs=0.001)
    parked = {one.id for one in simulation.ingestions if simulation.is_parked(one)}
    if aging:
        # Which priority goes depends on turns that are not played through: they are bounds, unless retries wait.
        for ingestion_id in expected.keys() - parked if not told["retries"] else ():
            estimate = expected[ingestion_id]
            mine = [start.at for start in later if start.batch.ingestion_id == ingestion_id]
            assert estimate.at_latest
            assert estimate.next_change - 0.001 <= mine[0] <= estimate.start + 0.001
            assert mine[-1] <= estimate.completion + 0.001
        return
    for ingestion_id, estimate in expected.items():
        if ingestion_id in parked:
            assert (estimate.start, estimate.completion) == (None, None)
            continue
        mine = [start.at for start in later if start.batch.ingestion_id == ingestion_id]
        assert estimate.batches_ahead == [start.batch.ingestion_id for start in later].index(ingestion_id)
        assert estimate.start == pytest.approx(mine[0], abs=0.001)
        assert estimate.completion == pytest.approx(mine[-1], abs=0.001)
        assert estimate.next_change == pytest.approx(mine[0], abs=0.001)
    for priority, depth in told["depths"].items():
        if depth.waiting > depth.parked:
            mine = [start.at for start in later if start.batch.priority == priority]
            assert depth.drained_at == pytest.approx(mine[-1], abs=0.001)


@given(
    arrivals=ARRIVALS,
    failing=st.lists(st.tuples(st.just(0.0), st.integers(1, 9), PRIORITIES, OWNERS), max_size=4),
    delay=DELAYS,
    count=st.integers(1, 20),
    priority=PRIORITIES,
    owner=OWNERS,
    weights=WEIGHTS,
)
def test_a_quote_is_kept_when_it_is_taken_at_once(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, failing: Any, delay: float, count: int,
    priority: Priority, owner: str | None, weights: str,
) -> None:  # fmt: skip
    quoted: list[Any] = []

    def work(batch: Batch) -> tuple[float, bool | float]:
        fails = batch.attempt == 1 and not quoted and simulation.ingestions[0].id != batch.ingestion_id
        return 0.0, delay if fails and failing else True

    simulation = simulated(new_store, clock, [*failing, *arrivals], work, fair_weights=weights)

    def take() -> None:
        quoted.append(simulation.store.quote(-(-count // 3), owner)[priority])
        quoted.append(simulation.submit(range(1, count + 1), priority, owner).id)

    simulation.at(max(at for at, *_ in arrivals), take)
    simulation.run()
    quote, ingestion_id = quoted
    starts = [start.at for start in simulation.starts if start.batch.ingestion_id == ingestion_id]
    assert quote.start == pytest.approx(starts[0], abs=0.001)
    assert quote.completion == pytest.approx(starts[-1], abs=0.001)


def whose(store: Store, clock: FakeClock, starts: int) -> list[str | None]:
    """The owners of the next starts, each of which ends at once."""
    found = []
    for _ in range(starts):
        (claim,) = claimed(store)
        found.append(store.get(claim.batch.ingestion_id).owner)
        finish(store, claim)
        clock.advance(5.0)
    return found


class TestOneCallerHasVeryMany:
    @pytest.fixture
    def store(self, new_store: Callable[..., Store], clock: FakeClock) -> Store:
        store = new_store(fair=True, fair_weights="web:2", dispatch_log=10)
        submit(store, range(1, 3001), owner="nightly")
        assert whose(store, clock, 3) == ["nightly"] * 3
        return store

    def test_the_others_three_do_not_wait_for_all_of_them(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 10), owner="sales")
        assert whose(store, clock, 8) == [
            "sales",
            "nightly",
            "sales",
            "nightly",
            "sales",
            "nightly",
            "nightly",
            "nightly",
        ]

    def test_a_weight_gives_more_turns(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 19), owner="web")
        assert whose(store, clock, 9) == ["web", "web", "nightly"] * 3

    def test_a_cancel_costs_its_caller_nothing(self, store: Store, clock: FakeClock) -> None:
        first = submit(store, range(1, 31), owner="sales")
        submit(store, range(1, 10), owner="sales")
        assert whose(store, clock, 2) == ["sales", "nightly"]
        store.cancel(first.id)
        assert whose(store, clock, 4) == ["sales", "nightly", "sales", "nightly"]

    def test_who_comes_back_has_saved_up_no_turns(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 4), owner="sales")
        assert whose(store, clock, 20).count("sales") == 1
        submit(store, range(1, 31), owner="sales")
        assert whose(store, clock, 6).count("sales") == 3

    def test_a_batch_that_is_put_back_has_not_cost_its_turn(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 31), owner="sales")
        (claim,) = claimed(store)
        clock.advance(5.0)
        assert whose(store, clock, 1) == ["nightly"]
        release(store, claim)
        assert whose(store, clock, 4) == ["sales", "sales", "nightly", "sales"]

    def test_a_retry_is_a_turn(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 31), owner="sales")
        (claim,) = claimed(store)
        retry(store, claim, BOOM, 1.0)
        clock.advance(5.0)
        assert whose(store, clock, 1) == ["nightly"]
        (again,) = claimed(store)
        assert again.batch.position == claim.batch.position == 0

    def test_a_more_urgent_priority_still_goes_first(self, store: Store, clock: FakeClock) -> None:
        submit(store, range(1, 4), owner="sales")
        submit(store, range(1, 10), Priority.HIGH, owner="nightly")
        assert whose(store, clock, 4) == ["nightly", "nightly", "nightly", "sales"]

    def test_a_deadline_is_judged_by_turns(self, store: Store, clock: FakeClock) -> None:
        with pytest.raises(TooLate):
            submit(store, range(1, 10), owner="sales", deadline=clock.now() + 19)
        last = submit(store, range(1, 10), owner="sales", deadline=clock.now() + 20)
        estimate = estimate_of(store, last.id)
        assert estimate is not None
        assert estimate[:4] == (0, clock.now(), clock.now() + 20, clock.now())
        with pytest.raises(TooLate):
            submit(store, [1], owner="nightly", deadline=clock.now() + 3600)


def test_a_full_quota_says_when_there_is_room(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(fair=True, key_quota=9)
    submit(store, range(1, 10), owner="nightly")
    submit(store, range(1, 10), owner="sales")
    with pytest.raises(QuotaFull) as refused:
        submit(store, range(1, 4), owner="nightly")
    # The name decides between equal callers: one of nightly's starts at once.
    assert refused.value.retry_after == 0.0
    assert whose(store, clock, 2) == ["nightly", "sales"]
    submit(store, range(1, 4), owner="nightly")


def test_a_full_queue_says_when_there_is_room(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(fair=True, max_pending=6)
    submit(store, range(1, 10), owner="nightly")
    submit(store, range(1, 10), owner="sales")
    with pytest.raises(BacklogFull) as refused:
        submit(store, range(1, 7), owner="nightly")
    assert refused.value.retry_after == pytest.approx(5.0)
    assert whose(store, clock, 2) == ["nightly", "sales"]
    submit(store, range(1, 7), owner="nightly")


def test_with_aging_nobody_of_an_old_priority_waits_for_ever(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(fair=True, priority_aging=60.0)
    low = submit(store, [1], Priority.LOW, owner="sales")
    for _ in range(40):
        submit(store, [1], Priority.HIGH, owner="nightly")
        (claim,) = claimed(store)
        finish(store, claim)
        clock.advance(5.0)
        if claim.batch.ingestion_id == low.id:
            break
    assert math.isclose(clock.now() - low.created_at, 120.0, abs_tol=10.0)


def test_with_aging_the_older_turns_of_others_are_counted_wherever_stores_divide_them(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(fair=True, priority_aging=10.0)
    for number in range(300):
        submit(store, [number], Priority.LOW, owner="ab"[number % 2])
        clock.advance(1)
    # All LOW ones but those of the last ten seconds are older than MEDIUM is now. Of each pair, a goes first.
    assert store.quote(1, "c")[Priority.MEDIUM].batches_ahead == 291
    for number in range(40):
        submit(store, [number], Priority.LOW, owner="c")
    # A caller that comes later has its turns meanwhile: by the last of these, all of them.
    assert store.quote(1, "c")[Priority.MEDIUM].batches_ahead == 331


def test_with_aging_what_is_older_counts_whatever_its_priority(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(fair=True, priority_aging=10.0, interval=5.0)
    now = clock.now()
    before = [submit(store, [1], Priority.LOW, owner=owner) for owner in ("web", "desk")]
    clock.advance(24)
    after = submit(store, [1], Priority.LOW, owner="web")
    clock.advance(1)
    own = submit(store, [1], Priority.HIGH, owner="nightly")
    expected = [before[0], before[1], own, after]
    upcoming = store.upcoming(9)
    assert all(store.upcoming(limit) == upcoming[:limit] for limit in range(1, 4))
    order = [batch.ingestion_id for batch, _ in upcoming]
    assert sorted(order[:2]) == sorted(one.id for one in before)
    assert order[2:] == [own.id, after.id]
    for one, wait in zip(order, (0, 5, 10, 15), strict=True):
        estimate = estimate_of(store, one)
        assert estimate is not None
        assert estimate.start == pytest.approx(now + 25 + wait, abs=1e-3)
    assert {one.id for one in expected} == set(order)
    quote = store.quote(1, "nightly")[Priority.HIGH]
    assert quote.start == pytest.approx(now + 25 + 15, abs=1e-3)


def test_the_oldest_of_a_priority_is_told_through_moves_cancels_and_starts(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(fair=True, interval=0)
    made = []
    for owner in ("web", "desk", "web", "nightly"):
        made.append(submit(store, [1], Priority.MEDIUM, owner=owner))
        clock.advance(1)

    def oldest(priority: Priority = Priority.MEDIUM) -> float | None:
        return store.stats().depths[priority].oldest_at

    first, second, third, last = made
    assert oldest() == first.created_at
    store.move(first.id, Priority.LOW)
    assert (oldest(), oldest(Priority.LOW)) == (second.created_at, first.created_at)
    store.move(first.id, Priority.MEDIUM)
    assert (oldest(), oldest(Priority.LOW)) == (first.created_at, None)
    store.cancel(first.id)
    assert oldest() == second.created_at
    (claim,) = claimed(store)
    assert (claim.batch.ingestion_id, oldest()) == (second.id, third.created_at)
    bury(store, claim, BOOM)
    assert oldest() == third.created_at
    store.redrive(second.id)
    assert oldest() == second.created_at
    store.pause(what=Pauses(owners=frozenset({"desk", "web"})))
    assert oldest() == last.created_at
    store.resume(what=Pauses(owners=frozenset({"web"})))
    assert oldest() == third.created_at


def test_a_retry_that_falls_due_lets_others_of_its_priority_take_turns(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    """With aging it may be the most urgent: then another caller goes whose batch was behind those of HIGH."""
    store = new_store(fair=True, priority_aging=3.0, interval=5.0)
    old = submit(store, [1], Priority.LOW, owner="desk").id
    retry(store, claimed(store)[0], BOOM, 22.0)
    clock.advance(10.0)
    high = submit(store, range(1, 31), Priority.HIGH, owner="web").id
    clock.advance(1.0)
    low = submit(store, [1], Priority.LOW, owner="nightly").id
    told = [batch.ingestion_id for batch, _ in store.upcoming(5)]
    found = []
    for _ in told:
        (claim,) = claimed(store)
        found.append(claim.batch.ingestion_id)
        finish(store, claim)
        clock.advance(5.0)
    assert told == found == [high, high, high, low, old]


def test_the_oldest_of_a_caller_is_its_own_when_it_goes_again_too(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(fair=True, interval=0)
    made = {}
    for owner in ("web", "desk"):
        made[owner] = submit(store, [1], owner=owner)
        clock.advance(10)
    for delay in (0.0, 60.0):
        for claim in claimed(store, 2):
            retry(store, claim, BOOM, delay)
        told = {one.name: one.oldest_at for one in store.callers(9)}
        assert told == {owner: one.created_at for owner, one in made.items()}


class TestSomeArePausedOrMoved:
    @pytest.fixture
    def store(self, new_store: Callable[..., Store]) -> Store:
        store = new_store(fair=True, find_ids=True)
        for owner in ("nightly", "sales", "web"):
            submit(store, range(1, 31), owner=owner)
        return store

    def test_a_paused_caller_counts_for_nobody_and_saves_up_no_turns(self, store: Store, clock: FakeClock) -> None:
        sales = Pauses(owners=frozenset({"sales"}))
        assert whose(store, clock, 3) == ["nightly", "sales", "web"]
        store.pause(what=sales)
        # A paused caller comes after those in line, whose waits go on.
        assert [one[2:] for one in store.callers(9)] == [(9, START, 0), (9, START, 0), (9, None, 9)]
        assert [one.name for one in store.callers(9)] == ["nightly", "web", "sales"]
        assert [one.name for one in store.callers(9, owner="sales")] == ["sales"]
        assert store.quote(1, "sales")[Priority.MEDIUM].start is None
        assert store.quote(1, "desk")[Priority.MEDIUM][:3] == (0, clock.now(), clock.now())
        assert whose(store, clock, 6) == ["nightly", "web"] * 3
        store.resume(what=sales)
        assert [(one.name, one.waiting) for one in store.callers(9)] == [("nightly", 6), ("sales", 9), ("web", 6)]
        assert whose(store, clock, 7) == ["sales", *["nightly", "sales", "web"] * 2]

    def test_a_paused_priority_leaves_the_turns_of_the_others_as_they_are(self, store: Store, clock: FakeClock) -> None:
        medium = Pauses(frozenset({Priority.MEDIUM}))
        low = [submit(store, range(1, 10), Priority.LOW, owner=owner) for owner in ("nightly", "sales")]
        assert whose(store, clock, 1) == ["nightly"]
        store.pause(what=medium)
        estimate = estimate_of(store, low[1].id)
        assert estimate is not None
        assert estimate.batches_ahead == 1
        assert whose(store, clock, 6) == ["nightly", "sales"] * 3
        assert isinstance(store.claim(1), Wait)
        store.resume(what=medium)
        assert whose(store, clock, 3) == ["sales", "web", "nightly"]

    def test_one_that_is_moved_gets_its_callers_turns_there(self, store: Store, clock: FakeClock) -> None:
        high = [submit(store, range(1, 10), Priority.HIGH, owner=owner) for owner in ("nightly", "web")]
        assert whose(store, clock, 2) == ["nightly", "web"]
        moved = submit(store, range(1, 7), Priority.LOW, owner="sales")
        store.move(moved.id, Priority.HIGH)
        estimate = estimate_of(store, moved.id)
        assert estimate is not None
        assert estimate.batches_ahead == 0
        assert {(one.name, one.priority): one.waiting for one in store.callers(9)} == {
            ("nightly", Priority.MEDIUM): 10, ("sales", Priority.MEDIUM): 10, ("web", Priority.MEDIUM): 10,
            ("nightly", Priority.HIGH): 2, ("web", Priority.HIGH): 2, ("sales", Priority.HIGH): 2,
        }  # fmt: skip
        assert whose(store, clock, 6) == ["sales", "nightly", "sales", "web", "nightly", "web"]
        assert all(store.get(one.id).status.final for one in [*high, moved])

    def test_a_turn_is_given_back_where_it_was_taken(self, store: Store, clock: FakeClock) -> None:
        moved = submit(store, [1], Priority.HIGH, owner="web")
        submit(store, range(1, 10), Priority.HIGH, owner="sales")
        assert whose(store, clock, 1) == ["sales"]
        (claim,) = claimed(store)
        assert claim.batch.ingestion_id == moved.id
        submit(store, range(1, 10), Priority.HIGH, owner="web")
        store.move(moved.id, Priority.LOW)
        release(store, claim)
        clock.advance(5.0)
        assert whose(store, clock, 5) == ["web", "sales", "web", "sales", "web"]
        assert whose(store, clock, 4) == ["nightly", "sales", "web", "nightly"]

    def test_what_is_started_over_while_its_caller_is_paused_waits_for_it(self, store: Store, clock: FakeClock) -> None:
        failed = submit(store, [1], Priority.HIGH, owner="sales")
        bury(store, claimed(store)[0], BOOM)
        sales = Pauses(owners=frozenset({"sales"}))
        store.pause(what=sales)
        store.redrive(failed.id)
        clock.advance(5.0)
        assert whose(store, clock, 2) == ["nightly", "web"]
        store.resume(what=sales)
        assert {(one.name, one.priority): one.waiting for one in store.callers(9)}["sales", Priority.HIGH] == 1
        assert claimed(store)[0].batch.ingestion_id == failed.id

    def test_where_an_id_is_says_when_its_batch_starts(self, store: Store, clock: FakeClock) -> None:
        assert whose(store, clock, 1) == ["nightly"]
        for batch, start in store.upcoming(40):
            found = store.finder.at(batch.ingestion_id, batch.position * 3)
            assert found.batch.id == batch.id
            assert found.start == pytest.approx(start, abs=1e-3)
        (claim,) = claimed(store)
        retry(store, claim, BOOM, 20.0)
        found = store.finder.at(claim.batch.ingestion_id, 0)
        assert found.start == clock.now() + 20
        store.pause(what=Pauses(owners=frozenset({"sales"})))
        assert store.finder.at(claim.batch.ingestion_id, 0).start is None


def test_what_nobody_has_had_a_turn_of_may_be_forgotten(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(fair=True, retention=60)
    store.cancel(submit(store, [1], owner="web").id)
    clock.advance(61)
    assert sum(store.prune()) == 1
    assert store.ingestions() == []


def test_a_retry_is_foretold_before_and_after_it_falls_due(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(fair=True, interval=5)
    made = submit(store, [1], owner="web")
    retry(store, claimed(store)[0], BOOM, 30.0)
    for ahead in (30, 25, 0):
        estimate = estimate_of(store, made.id)
        assert estimate is not None
        assert estimate.start == clock.now() + ahead
        assert [(batch.ingestion_id, at) for batch, at in store.upcoming(9)] == [(made.id, clock.now() + ahead)]
        clock.advance(5 if ahead == 30 else 45)


def test_a_caller_with_nothing_but_a_retry_that_is_just_due_has_the_next_turn(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(fair=True, interval=0)
    submit(store, range(9), owner="web")
    late = submit(store, [1], owner="desk")
    for claim in claimed(store, 2):
        retry(store, claim, BOOM, 10.0 if claim.batch.ingestion_id == late.id else 0.0)
    clock.advance(10)
    assert [batch.ingestion_id for batch, _ in store.upcoming(1)] == [late.id]


def test_a_caller_with_nothing_but_a_retry_to_come_has_no_next_turn(new_store: Callable[..., Store]) -> None:
    store = new_store(fair=True, interval=0)
    submit(store, [1], Priority.HIGH, owner="nightly")
    retry(store, claimed(store)[0], BOOM, 60.0)
    submit(store, range(9), owner="web")
    claimed(store)
    desk = submit(store, [1], owner="desk")
    assert [batch.ingestion_id for batch, _ in store.upcoming(1)] == [desk.id]


def test_one_claim_of_several_takes_as_many_turns_where_answers_are_shared(new_store: Callable[..., Store]) -> None:
    store = new_store(fair=True, fresh=60, interval=0)
    for owner in ("desk", "web"):
        submit(store, range(9), owner=owner)
    owners = [store.get(claim.batch.ingestion_id).owner for claim in claimed(store, 3)]
    assert owners == ["desk", "web", "desk"]


def test_callers_may_be_called_anything_printable(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0, fair=True, concurrency=99)
    names = ['"]', "'%s", ",", ":name", "[1, null]", "\\", "\\u0041", "null", "é", "\uffef", "\U0001f41e"]
    submitted = [submit(store, range(6), owner=owner) for owner in reversed(names)]  # two batches each
    estimates = [estimate_of(store, one.id) for one in reversed(submitted)]
    assert [one and one.batches_ahead for one in estimates] == list(range(len(names)))
    assert [store.get(one.batch.ingestion_id).owner for one in claimed(store, 99)] == names * 2


def test_who_has_had_its_turn_keeps_its_tag_while_nothing_of_it_waits(new_store: Callable[..., Store]) -> None:
    store = new_store(fair=True, interval=5)
    submit(store, [1], owner="a")
    submit(store, range(9), owner="b")
    claimed(store)
    assert store.quote(1, "a")[Priority.MEDIUM].batches_ahead == 1  # one of b has its turn first
    assert store.quote(1, "c")[Priority.MEDIUM].batches_ahead == 1


def test_a_batch_that_goes_on_id_by_id_takes_as_many_of_the_next_turns(new_store: Callable[..., Store]) -> None:
    store = new_store(fair=True, interval=0, split_failed=True)
    first = submit(store, range(3), owner="a")
    bury(store, claimed(store)[0], BOOM)
    second = submit(store, range(6), owner="b")
    turns = [batch.ingestion_id for batch, _ in store.upcoming(9)]
    assert turns == [second.id, first.id, second.id, first.id, first.id]


def test_those_that_await_a_call_are_told_by_turns_however_many_of_one_caller_there_are(
    new_store: Callable[..., Store],
) -> None:
    store = new_store(fair=True, fresh=60, fresh_shared=True, interval=0)
    submit(store, [1], owner="z")
    assert len(claimed(store)) == 1
    ids = {owner: [submit(store, [1], owner=owner).id for _ in range(4)] for owner in "abc"}
    submit(store, [2], Priority.LOW)
    assert len(claimed(store)) == 1  # all others turned out to await the first call
    told = [batch.ingestion_id for batch, _ in store.upcoming(4)]
    assert told == [ids["a"][0], ids["b"][0], ids["c"][0], ids["a"][1]]
