"""With FILL, a call with free places takes along what fits: who rides, and that each batch stays its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core import Batch, BatchError, Claim, Priority, Status, Strings, refused_together, to_lines
from app.errors import ConfigError
from app.outcomes import Outcome
from app.store import Store, Submission
from tests.support.clock import FakeClock
from tests.support.queueing import (
    ack,
    blocked,
    bury,
    claimed,
    estimate_of,
    finish,
    proceed,
    release,
    retry,
    settings,
    submit,
)
from tests.support.simulation import BEYOND, EPSILON, Simulation

BOOM = BatchError("RuntimeError", "boom")
NewStore = Callable[..., Store]


@pytest.fixture
def filling(new_store: NewStore) -> Store:
    return new_store(fill=True)


def ids_of(claim: Claim) -> list[list[Any]]:
    """The ids of each batch of a call, the leader's first."""
    return [list(one.batch.ids) for one in claim.all]


def call_of(store: Store) -> list[list[Any]]:
    (claim,) = claimed(store)
    return ids_of(claim)


# -- who rides --


def test_a_claim_says_whose_each_batch_is(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(fill=True, interval=0, lease=30)
    owners = ["alice", None, "bob"]
    for number, owner in enumerate(owners):
        submit(store, [number], owner=owner)
    (call,) = claimed(store)
    assert [one.owner for one in call.all] == owners
    assert call.owners == set(owners)
    for one in call.all:
        retry(store, one, BOOM, 0.0)
    (call,) = claimed(store)
    assert [one.owner for one in call.all] == owners
    clock.advance(31)
    assert {lost.owner for lost, _ in store.recover()} == set(owners)


def test_a_hundred_clients_with_an_id_each_make_one_call(new_store: NewStore) -> None:
    store = new_store(fill=True, batch_size=100)
    waiting = [submit(store, [number]).id for number in range(100)]
    (claim,) = claimed(store, 4)
    assert [one.batch.ingestion_id for one in claim.all] == waiting
    assert blocked(store).reason == "empty"
    store.end_together([(one, Outcome.ack(["true"])) for one in claim.all])
    assert {store.get(one).status for one in waiting} == {Status.COMPLETED}


def test_without_the_setting_each_goes_alone(new_store: NewStore) -> None:
    store = new_store()
    submit(store, [1])
    submit(store, [2])
    assert call_of(store) == [[1]]
    assert blocked(store).reason == "token"


def test_the_most_urgent_leads_and_the_most_urgent_of_those_that_fit_ride(filling: Store, clock: FakeClock) -> None:
    submit(filling, [1], Priority.LOW)
    submit(filling, [2, 3, 4], Priority.MEDIUM)
    submit(filling, [5], Priority.MEDIUM)
    submit(filling, [6], Priority.HIGH)
    assert call_of(filling) == [[6], [5], [1]]
    assert blocked(filling).reason == "token"
    clock.advance(5)
    assert call_of(filling) == [[2, 3, 4]]


def test_they_leave_the_next_token_to_others(filling: Store, clock: FakeClock) -> None:
    for number in range(5):
        submit(filling, [number])
    assert call_of(filling) == [[0], [1], [2]]
    clock.advance(5)
    assert call_of(filling) == [[3], [4]]
    clock.advance(5)
    assert blocked(filling).reason == "empty"


def test_so_many_are_looked_at_and_no_more(new_store: NewStore, clock: FakeClock) -> None:
    for misfits in (BEYOND + 1, BEYOND + 2):
        store = new_store(fill=True)
        submit(store, [1], Priority.HIGH)
        for _ in range(misfits):
            submit(store, [2, 3, 4])
        submit(store, [5])
        assert call_of(store) == ([[1], [5]] if misfits == BEYOND + 1 else [[1]])
        # What was passed over is at its rank as before.
        clock.advance(5)
        assert call_of(store) == [[2, 3, 4]]


def test_a_long_ingestion_is_looked_at_once(filling: Store) -> None:
    submit(filling, [1], Priority.HIGH)
    submit(filling, range(100, 400))
    submit(filling, [2])
    assert call_of(filling) == [[1], [2]]


def test_several_claims_at_once_are_filled_one_after_the_other(new_store: NewStore) -> None:
    store = new_store(fill=True, burst=3)
    for number in range(8):
        submit(store, [number])
    assert [ids_of(claim) for claim in claimed(store, 4)] == [[[0], [1], [2]], [[3], [4], [5]], [[6], [7]]]
    assert blocked(store).reason == "empty"


def test_the_next_call_after_an_ack_is_filled(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    submit(store, [1, 2, 3])
    (first,) = claimed(store)
    submit(store, [4])
    submit(store, [5])
    _, following = proceed(store, first, ["true"] * 3)
    assert isinstance(following, list)
    assert [ids_of(claim) for claim in following] == [[[4], [5]]]


def test_an_id_that_two_batches_ask_counts_once(filling: Store) -> None:
    submit(filling, [1, 2])
    submit(filling, [2, 1])
    submit(filling, [2, 3])
    submit(filling, [4])
    assert call_of(filling) == [[1, 2], [2, 1], [2, 3]]


def test_integers_and_strings_share_no_call(filling: Store) -> None:
    filling.add(Submission(Strings(to_lines(["1"])), Priority.HIGH))
    submit(filling, [1])
    filling.add(Submission(Strings(to_lines(["2"])), Priority.LOW))
    assert call_of(filling) == [["1"], ["2"]]


def test_batches_of_one_ingestion_ride_together(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    ingestion = submit(store, range(1, 10))
    for _ in range(3):
        (claim,) = claimed(store)
        first = claim.batch.ids[0]
        ack_one = Outcome.ack([BOOM if one == first else "true" for one in claim.batch.ids])
        store.end(claim, ack_one)
    store.redrive(ingestion.id)
    assert call_of(store) == [[1], [4], [7]]


def test_what_was_cut_by_a_smaller_batch_size_fills_a_larger_one(address: str) -> None:
    if address == "memory://":
        pytest.skip("a store in memory has one batch size")
    pytest.importorskip("sqlalchemy")
    from app.wiring import open_store

    chosen = {"store": address, "store_poll": 0, "fill": True, "interval": 0}
    smaller = open_store(settings(**chosen, batch_size=1), FakeClock(), "growing")
    larger = open_store(settings(**chosen, batch_size=4), FakeClock(), "growing")
    try:
        submit(smaller, range(1, 6))
        submit(smaller, range(11, 13))
        assert call_of(larger) == [[1], [2], [3], [4]]
        assert call_of(larger) == [[5], [11], [12]]
    finally:
        smaller.close()
        larger.close()


# -- who goes alone --


def test_the_last_attempt_is_a_batchs_own(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0, max_attempts=2)
    submit(store, [1])
    submit(store, [2])
    (claim,) = claimed(store)
    for one in claim.all:
        retry(store, one, BOOM, 0.0)
    submit(store, [3])
    submit(store, [4], Priority.HIGH)
    for one in (5, 6):
        submit(store, [one], Priority.LOW)
    assert [call_of(store) for _ in range(4)] == [[[4], [3], [5]], [[1]], [[2]], [[6]]]
    with pytest.raises(ConfigError, match="INGEST_FILL needs INGEST_MAX_ATTEMPTS of 2 or more"):
        settings(fill=True, max_attempts=1)


def test_after_a_refusal_a_batch_has_a_call_of_its_own(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    submit(store, [1])
    submit(store, [2])
    (claim,) = claimed(store)
    why = refused_together(BatchError("PermanentError", "400"))
    assert why == ("SharedCallRefused", "the call it shared was refused; the next is its own: PermanentError: 400")
    for one in claim.all:
        retry(store, one, why, 0.0)
    assert call_of(store) == [[1]]
    (alone,) = claimed(store)
    assert ids_of(alone) == [[2]]
    # Any other failure is no reason to go alone.
    retry(store, alone, BOOM, 0.0)
    submit(store, [3])
    assert call_of(store) == [[2], [3]]


def test_ids_that_go_one_by_one_share_no_call(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0, split_failed=True)
    submit(store, [1, 2])
    (claim,) = claimed(store)
    bury(store, claim, BOOM)
    submit(store, [3], Priority.HIGH)
    submit(store, [4])
    assert call_of(store) == [[3], [4]]
    (one,) = claimed(store)
    assert ids_of(one) == [[1]]
    finish(store, one)
    assert call_of(store) == [[2]]


# -- each batch stays its own --


def test_the_log_names_whom_each_rode_with(filling: Store, clock: FakeClock) -> None:
    submit(filling, [1])
    clock.advance(1)
    submit(filling, [2])
    (claim,) = claimed(filling)
    leader, rider = filling.dispatches(9)
    assert (leader.batch_id, leader.rode_with) == (claim.batch.id, None)
    assert (rider.batch_id, rider.rode_with) == (claim.riders[0].batch.id, claim.batch.id)
    assert (rider.started_at, rider.due_at, rider.attempt) == (clock.now(), clock.now(), 1)
    assert filling.stats().tokens == 0


def test_each_ends_by_its_own_outcome(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(fill=True, interval=0)
    ingestions = [submit(store, [number]).id for number in range(3)]
    (claim,) = claimed(store)
    outcomes = [Outcome.ack(['"a"']), Outcome.bury(BOOM), Outcome.retry(BOOM, 7.0)]
    ended = store.end_together(list(zip(claim.all, outcomes, strict=True)))
    assert [one.ingestion.id for one in ended if one] == ingestions
    assert [store.get(one).status.value for one in ingestions] == ["completed", "failed", "triggered"]
    assert list(store.results(ingestions[0])) == [(0, '"a"')]
    clock.advance(7)
    (again,) = claimed(store)
    assert (again.batch.ids, again.batch.attempt, again.batch.error) == ([2], 2, BOOM)


def test_a_call_takes_one_slot_and_one_connection(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0, upstream_connections=2)
    for number in range(7):
        submit(store, [number])
    first, second = claimed(store, 4)
    assert store.stats().running == 2
    assert blocked(store).reason == "connections"
    # The slot is free once the leader ended, however its riders do.
    for one in first.riders:
        finish(store, one)
    assert blocked(store).reason == "connections"
    finish(store, first)
    assert call_of(store) == [[6]]
    store.end_together([(one, Outcome.ack(["1"])) for one in second.all])
    assert store.stats().running == 1


def test_its_duration_is_measured_once(filling: Store, clock: FakeClock) -> None:
    submit(filling, [1])
    submit(filling, [2])
    (claim,) = claimed(filling)
    clock.advance(2)
    finish(filling, claim)
    clock.advance(8)
    finish(filling, claim.riders[0])
    assert filling.stats().service_seconds == pytest.approx(2)


def test_a_kill_recovers_each_and_its_slot(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(fill=True, interval=0, lease=60.0, upstream_connections=1)
    ingestions = [submit(store, [number]).id for number in range(3)]
    claimed(store)
    clock.advance(61)
    lost = store.recover()
    assert sorted(ingestion.id for _, ingestion in lost) == sorted(ingestions)
    assert store.stats().running == 0
    (again,) = claimed(store)
    assert ids_of(again) == [[0], [1], [2]]
    assert {one.batch.attempt for one in again.all} == {2}


def test_a_heartbeat_keeps_the_leases_of_a_whole_call(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(fill=True, interval=0, lease=60.0)
    submit(store, [1])
    submit(store, [2])
    (claim,) = claimed(store)
    clock.advance(50)
    store.renew(claim.all)
    clock.advance(50)
    assert store.recover() == []
    assert all(finish(store, one) for one in claim.all)


def test_a_cancel_of_one_leaves_the_others_alone(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    first, second = submit(store, [1]), submit(store, [2])
    (claim,) = claimed(store)
    store.cancel(second.id)
    store.end_together([(one, Outcome.retry(BOOM, 0.0)) for one in claim.all])
    assert store.get(second.id).status is Status.CANCELLED
    assert store.get(first.id).status is Status.TRIGGERED
    assert call_of(store) == [[1]]


def test_a_released_call_is_untouched(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    submit(store, [1])
    submit(store, [2])
    (claim,) = claimed(store)
    store.end_together([(one, Outcome.release()) for one in claim.all])
    (again,) = claimed(store)
    assert ids_of(again) == [[1], [2]]
    assert {one.batch.attempt for one in again.all} == {1}
    assert store.stats().running == 1


def test_a_rider_that_leads_its_next_attempt_takes_a_slot(new_store: NewStore) -> None:
    store = new_store(fill=True, interval=0)
    submit(store, [1])
    submit(store, [2])
    (claim,) = claimed(store)
    finish(store, claim)
    retry(store, claim.riders[0], BOOM, 0.0)
    assert call_of(store) == [[2]]
    assert store.stats().running == 1
    assert store.dispatches(1)[0].rode_with is None


# -- nobody is delayed --

SECONDS = st.integers(0, 400).map(lambda tenths: tenths / 10)
SIZES = st.integers(1, 7)
TOOK = st.lists(st.sampled_from([0.0, 0.5, 3.0, 20.0]), min_size=1, max_size=6)
OWNERS = st.sampled_from("abc")
WEIGHTS = st.sampled_from(["", "a:3", "b:2,c:5"])
LIMITS = st.sampled_from(["", "", "7/min burst 3", "30/min, 9/day at 08:01 UTC"])
RATE: dict[str, Any] = {
    "interval": st.sampled_from([0.5, 5.0]),
    "burst": st.integers(1, 3),
    "concurrency": st.integers(1, 4),
    "limits": LIMITS,
    "batch_size": st.sampled_from([3, 5]),
}


def starts_of(
    new_store: NewStore, clock: FakeClock, arrivals: Any, took: list[float], **chosen: Any
) -> dict[tuple[int, int], float]:
    """When each batch starts, by its ingestion's number and its position; each takes as long in any schedule."""
    clock.reset()

    def work(batch: Batch) -> tuple[float, bool]:
        return took[(numbers[batch.ingestion_id] + batch.position) % len(took)], True

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work)
    numbers: dict[str, int] = {}

    def arrive(nth: int, count: int, priority: Priority, *owner: str) -> None:
        ingestion = simulation.submit(range(nth * 100, nth * 100 + count), priority, *owner)
        numbers[ingestion.id] = nth

    for nth, (at, *one) in enumerate(arrivals):
        simulation.at(at, lambda nth=nth, one=one: arrive(nth, *one))
    simulation.run()
    return {(numbers[start.batch.ingestion_id], start.batch.position): start.at for start in simulation.starts}


def compared(
    new_store: NewStore, clock: FakeClock, arrivals: Any, took: list[float], **chosen: Any
) -> list[tuple[float, float]]:
    """The start of each batch with FILL and without."""
    filled = starts_of(new_store, clock, arrivals, took, fill=True, **chosen)
    plain = starts_of(new_store, clock, arrivals, took, **chosen)
    assert filled.keys() == plain.keys()
    return [(filled[which], plain[which]) for which in plain]


@given(waiting=st.lists(st.tuples(SIZES, st.sampled_from(Priority)), min_size=1, max_size=16), took=TOOK, **RATE)
def test_nothing_that_waits_starts_later(
    new_store: NewStore, clock: FakeClock, waiting: Any, took: list[float], **chosen: Any
) -> None:
    arrivals = [(0.0, *one) for one in waiting]
    for filled, plain in compared(new_store, clock, arrivals, took, **chosen):
        assert filled <= plain + EPSILON


@given(
    waiting=st.lists(st.tuples(SIZES, st.sampled_from(Priority), OWNERS), min_size=1, max_size=16),
    took=st.sampled_from([0.0, 3.0, 20.0]),
    fair_weights=WEIGHTS,
    **RATE,
)
def test_nor_where_callers_take_turns(
    new_store: NewStore, clock: FakeClock, waiting: Any, took: float, **chosen: Any
) -> None:
    # No more calls go before it, but perhaps other ones: where one of these held a slot for longer, it would wait.
    arrivals = [(0.0, *one) for one in waiting]
    for filled, plain in compared(new_store, clock, arrivals, [took], fair=True, **chosen):
        assert filled <= plain + EPSILON


@given(arrivals=st.lists(st.tuples(SECONDS, SIZES), min_size=1, max_size=16), took=TOOK, **RATE)
def test_nor_does_anything_that_comes_later_at_the_same_priority(
    new_store: NewStore, clock: FakeClock, arrivals: Any, took: list[float], **chosen: Any
) -> None:
    equal = [(at, count, Priority.MEDIUM) for at, count in arrivals]
    for filled, plain in compared(new_store, clock, equal, took, **chosen):
        assert filled <= plain + EPSILON


URGENT_TOO = [(0.0, 1, Priority.MEDIUM)] * 2 + [
    (7.0, 3, Priority.LOW), (8.0, 3, Priority.MEDIUM), (11.0, 3, Priority.HIGH)
]  # fmt: skip


@example(URGENT_TOO, 1)
@given(
    arrivals=st.lists(st.tuples(SECONDS, SIZES, st.sampled_from(Priority)), min_size=1, max_size=16),
    burst=st.integers(1, 3),
)
def test_what_comes_later_waits_for_one_token_and_for_what_is_more_urgent_by_then(
    new_store: NewStore, clock: FakeClock, arrivals: Any, burst: int
) -> None:
    # A queue that was idle sooner gave its token to what came first, as it would have without anything to ride.
    chosen = {"interval": 5.0, "burst": burst, "concurrency": 99, "batch_size": 3}
    filled = starts_of(new_store, clock, arrivals, [0.0], fill=True, **chosen)
    plain = starts_of(new_store, clock, arrivals, [0.0], **chosen)
    for which, start in filled.items():
        urgent = [
            at for (nth, _), at in filled.items()
            if plain[which] - EPSILON <= at <= start + EPSILON and arrivals[nth][2] < arrivals[which[0]][2]
        ]  # fmt: skip
        assert start < plain[which] + 5.0 * (1 + len(urgent)) + EPSILON


# -- what is foretold --


# Not a multiple of the interval: when a token and a retry coincide, rounding decides which comes first.
DELAYS = st.one_of(st.none(), st.integers(1, 80).map(lambda number: number * 1.37))


@given(
    arrivals=st.lists(st.tuples(SECONDS, SIZES, st.sampled_from(Priority), OWNERS), min_size=1, max_size=12),
    delays=st.one_of(st.just([None]), st.lists(DELAYS, min_size=1, max_size=8)),
    burst=st.integers(1, 3),
    size=st.sampled_from([3, 5]),
    look_after=st.sampled_from([0.0, 7.1, 41.3]),
    fair=st.booleans(),
    fair_weights=WEIGHTS,
    priority_aging=st.sampled_from([0.0, 0.0, 10.0]),
)
def test_what_is_in_line_starts_no_later_than_it_would_without_what_rides(
    new_store: NewStore, clock: FakeClock, arrivals: Any, delays: Any, burst: int, size: int, look_after: float,
    **chosen: Any,
) -> None:  # fmt: skip
    """Whatever came and failed before: an estimate says when it would start without, and most say "at the latest"."""
    clock.reset()
    chosen |= {"interval": 5.0, "burst": burst, "batch_size": size, "fill": True, "max_attempts": 99}
    chosen |= {} if chosen["fair"] else {"fair_weights": ""}
    looked = False

    def work(_: Batch) -> tuple[float, bool | float]:
        """Attempts before the estimate fail as scheduled; all later ones succeed."""
        count = len(simulation.starts)
        delay = delays[count % len(delays)]
        return 0.0, True if looked or delay is None else delay + count * 0.0073

    simulation = Simulation(new_store(**chosen), clock, settings(**chosen), work)
    store, expected = simulation.store, {}
    for nth, (at, count, *one) in enumerate(arrivals):
        ids = range(nth * 100, nth * 100 + count)
        simulation.at(at, lambda ids=ids, one=one: simulation.submit(ids, *one))

    def look() -> None:
        nonlocal looked
        looked = True
        retrying = {at[1] for at, due in simulation.waiting.items() if due > clock.now()}
        for ingestion in simulation.ingestions:
            if estimate := estimate_of(store, ingestion.id):
                expected[ingestion.id] = estimate, len(simulation.starts)
                # What falls due later meets a queue that is further on; with aging, so do the turns of others.
                may_be_later = retrying if chosen["fair"] and chosen["priority_aging"] else retrying & {ingestion.order}
                assert not (may_be_later and estimate.at_latest)
                assert simulation.retrying or estimate.at_latest

    simulation.at(max(at for at, *_ in arrivals) + look_after, look)
    simulation.run()
    for ingestion_id, (estimate, before) in expected.items():
        mine = [start.at for start in simulation.starts[before:] if start.batch.ingestion_id == ingestion_id]
        assert estimate.start is not None
        assert estimate.completion is not None
        assert estimate.next_change is not None
        assert estimate.next_change - EPSILON <= mine[0]
        if estimate.at_latest:
            assert mine[0] <= estimate.start + EPSILON
            assert mine[-1] <= estimate.completion + EPSILON


def test_what_waits_for_its_retry_may_find_that_its_token_has_just_gone(new_store: NewStore, clock: FakeClock) -> None:
    store, begin = new_store(interval=5.0, batch_size=3, fill=True), clock.now()
    low = submit(store, [1, 2, 3], Priority.LOW)
    retry(store, claimed(store)[0], BOOM, 17.0)
    clock.advance(5)
    high = submit(store, [4, 5, 6], Priority.HIGH)
    retry(store, claimed(store)[0], BOOM, 13.0)
    middle = [submit(store, [one]) for one in (7, 8)]
    told = [estimate_of(store, one.id) for one in (*middle, high)]
    starts = [10, 15, 20]  # A call for each, and the token after that for HIGH, which is due at 18.
    assert [(one.start - begin, one.at_latest) for one in told if one] == list(
        zip(starts, [True, True, False], strict=True)
    )
    clock.advance(5)
    assert call_of(store) == [[7], [8]]
    for at, one in ((17, low), (22, high)):
        clock.advance_to(begin + at)
        assert claimed(store)[0].batch.ingestion_id == one.id


def test_the_error_of_an_estimate_is_recorded_as_ever(filling: Store) -> None:
    submit(filling, [1])
    submit(filling, [2])
    (claim,) = claimed(filling)
    for one in claim.all:
        ack(filling, one, ["1"])
    accuracy = filling.stats().accuracy
    assert accuracy is not None
    assert (accuracy.ingestions, accuracy.mean) == (2, pytest.approx(2.5))


@pytest.mark.parametrize("more", [{}, {"fresh": 0}])
def test_callers_take_turns_in_a_call_too(new_store: NewStore, more: dict[str, Any]) -> None:
    store = new_store(fill=True, fair=True, batch_size=4, **more)
    for owner, ids in (("ann", [1, 2, 3]), ("bob", [11, 12, 13])):
        for one in ids:
            submit(store, [one], owner=owner)
    assert call_of(store) == [[1], [11], [2], [12]]


def test_those_whose_batches_do_not_fit_keep_their_turns(new_store: NewStore, clock: FakeClock) -> None:
    store, calls = new_store(fill=True, fair=True, batch_size=5), list[list[Any]]()
    submit(store, range(100, 200), owner="bob")
    for number in range(12):
        submit(store, [number], owner="cat")
    for number in range(200, 209, 3):
        submit(store, range(number, number + 3), owner="ann")
        submit(store, range(number + 50, number + 53), owner="ann")
        (claim,) = claimed(store)
        calls.append([one.batch.ids[0] for one in claim.all])
        for one in claim.all:
            finish(store, one)
        clock.advance(5)
    assert calls == [[200, 0, 1], [100], [2, 250, 3]]


def test_places_go_round_too(new_store: NewStore, clock: FakeClock) -> None:
    store, rode = new_store(fill=True, fair=True, fair_weights="ann:9"), list[int]()
    for owner, first in (("bob", 100), ("cat", 200), ("dan", 300)):
        for number in range(first, first + 9):
            submit(store, [number], owner=owner)
    for number in range(0, 99, 2):
        if len(rode) == 9:
            break
        submit(store, [number, number + 1], owner="ann")
        (claim,) = claimed(store)
        if len(claim.batch.ids) == 2:
            rode += [one.batch.ids[0] // 100 for one in claim.riders]
        for one in claim.all:
            finish(store, one)
        clock.advance(5)
    assert min(map(rode.count, (1, 2, 3))) >= 2


def test_a_rider_that_is_put_back_gives_no_turn_back(new_store: NewStore, clock: FakeClock) -> None:
    store = new_store(fill=True, fair=True, batch_size=2)
    for owner, ids in (("ann", [1, 2]), ("bob", [11, 12])):
        for one in ids:
            submit(store, [one], owner=owner)
    (claim,) = claimed(store)
    ack(store, claim, ["1"])
    release(store, claim.riders[0])
    submit(store, [3, 4], owner="ann")
    for expected in ([[11], [2]], [[3, 4]], [[12]]):
        clock.advance(5)
        assert call_of(store) == expected


def test_a_ride_is_no_turn(new_store: NewStore) -> None:
    store = new_store(fill=True, fair=True, interval=0, batch_size=2)
    for owner, ids in (("ann", [1, 2]), ("bob", [11, 12])):
        for one in ids:
            submit(store, [one], owner=owner)
    (claim,) = claimed(store)
    assert [one.batch.ids for one in claim.all] == [[1], [11]]
    for one in claim.all:
        finish(store, one)
    assert call_of(store) == [[12], [2]]


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize("more", [{}, {"fresh": 0}])
def test_what_follows_a_rider_of_its_ingestion_goes_before_the_less_urgent(
    new_store: NewStore, fair: bool, more: dict[str, Any]
) -> None:
    store = new_store(fill=True, batch_size=2, fair=fair, **more)
    submit(store, [5], Priority.HIGH)
    middle = submit(store, [5, 5, 4], Priority.MEDIUM)
    submit(store, [5, 4], Priority.LOW)
    (call,) = claimed(store)
    assert [(one.batch.ingestion_id, one.batch.position) for one in call.riders] == [(middle.id, 0), (middle.id, 1)]
