"""What people change while the queue runs: the rate, holds and pauses, and the audit log of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import Estimate, Filter, Ingestion, Priority, Rates, Wait, check_rates
from app.errors import Conflict, InvalidRequest, QuotaFull, UnknownIngestion
from app.limits import parse_limits
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import blocked, bury, claimed, estimate_of, finish, retry, settings, submit
from tests.support.simulation import BOOM, EPSILON, assert_limits


def test_a_changed_rate_holds_from_the_next_start_on(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=4)
    ingestion = submit(store, range(1, 13))
    claimed(store)
    clock.advance(2)
    store.change_rates(Rates(interval=8), "ann")
    # Half of a token was there, and the rest of it takes longer now.
    assert blocked(store) == Wait(4.0, "token")
    assert [at - START for _, at in store.upcoming(3)] == [6, 14, 22]
    estimate = estimate_of(store, ingestion.id)
    assert estimate is not None
    assert estimate.completion == START + 22
    store.change_rates(Rates())
    assert blocked(store) == Wait(2.0, "token")


def test_a_greater_burst_brings_no_tokens_with_it(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=4, burst=1, rate_most=3)
    submit(store, range(1, 31))
    claimed(store)
    store.change_rates(Rates(burst=3), "ann")
    clock.advance(4)
    assert len(claimed(store, 5)) == 1
    clock.advance(12)
    assert len(claimed(store, 5)) == 3


def test_ended_holds_and_pauses_are_in_the_audit_log(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, audit_log=5)
    ingestion = submit(store, [1, 2, 3])
    other = submit(store, [4])
    store.hold(60)
    assert blocked(store).reason == "hold"
    assert store.end_hold("ann")
    assert not store.end_hold("ann")
    clock.advance(1)
    store.pause("bob")
    store.pause("bob")
    store.resume("bob")
    bury(store, claimed(store)[0], BOOM)
    store.redrive(ingestion.id, "ann")
    store.cancel(other.id)
    log = store.audits(9)
    assert [(one.by, one.action, one.subject, one.before, one.after) for one in log] == [
        (None, "cancel", other.id, {"status": "yet_to_start"}, {"status": "cancelled"}),
        ("ann", "redrive", ingestion.id, {"failed": 1}, {"failed": 0}),
        ("bob", "resume", "", {"paused": True}, {"paused": False}),
        ("bob", "pause", "", {"paused": False}, {"paused": True}),
        ("ann", "end_hold", "", {"hold_until": START + 60}, {"hold_until": None}),
    ]
    assert [one.at for one in log] == [START + 1] * 4 + [START]
    assert store.audits(2, before=log[1].number) == log[2:4]
    store.pause("ann")
    assert [one.number for one in store.audits(9)] == [6, 5, 4, 3, 2]


def test_a_changed_limit_keeps_what_was_counted(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(limits="4/min burst 4, 6/day at 08:30 UTC")
    submit(store, range(1, 100))
    for _ in range(4):
        claimed(store)
    store.change_rates(check_rates({"limits": {"6/day at 08:30 UTC": "5/day at 08:30 UTC"}}, store_settings()))
    clock.advance(60)
    claimed(store)
    wait = blocked(store)
    assert wait.seconds == pytest.approx(1800 - 60)
    assert [one.tokens for one in store.stats().limits] == [0, 0]


def store_settings(**more: Any) -> Any:
    return settings(limits="4/min burst 4, 6/day at 08:30 UTC", **more)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "The body must be an object"),
        ({"intervall": 3}, '"intervall" is not a member of this request'),
        ({"interval": 4.9}, "interval must be from 5 to 5000 seconds, as RATE_MOST and RATE_LEAST allow."),
        ({"interval": True}, "interval must be from"),
        ({"interval": float("nan")}, "interval must be from"),
        ({"burst": 3}, "burst must be a whole number from 1 to 2, as RATE_MOST allows."),
        ({"limits": {"9/s": "8/s"}}, "'9/s' is none of the configured limits; those are 10/s, 6/day at 08:30 UTC."),
        ({"limits": {"10/s": "5/min"}}, "10/s cannot be '5/min': its time must be the same."),
        ({"limits": {"10/s": "20/s"}}, "10/s cannot be '20/s': it may allow 1 to 10, by RATE_LEAST and RATE_MOST."),
        ({"limits": {"10/s": "soon"}}, "10/s cannot be 'soon': it is no limit."),
        ({"limits": {"10/s": 5}}, "it is no limit"),
        ({"limits": {"6/day at 08:30 UTC": "5/day at 09:30 UTC"}}, "its time must be the same"),
        ({"limits": ["5/s"]}, "limits must be an object"),
    ],
)
def test_a_rate_out_of_bounds_is_refused_by_name(body: Any, told: str) -> None:
    configured = settings(interval=5, burst=2, limits="10/s, 6/day at 08:30 UTC")
    with pytest.raises(InvalidRequest) as refused:
        check_rates(body, configured)
    assert told in str(refused.value)


def test_it_may_be_raised_as_far_as_the_configuration_says() -> None:
    configured = settings(interval=5, limits="10/s", rate_most=2)
    rates = check_rates({"interval": 2.5, "burst": 2, "limits": {"10/s": "20/s burst 4"}}, configured)
    assert rates.apply(configured).limits == (parse_limits("20/s burst 4")[0]._replace(name="10/s"),)
    with pytest.raises(InvalidRequest):
        check_rates({"interval": 2.4}, configured)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from([2.0, 5.0, 7.5, 20.0]),
        st.integers(1, 3),
        st.sampled_from([None, "2/min", "5/min burst 2", "6/min burst 6"]),
    ),
    max_size=4,
    unique_by=lambda change: change[0],
)


@given(
    arrivals=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(Priority)), min_size=1, max_size=6),
    changes=CHANGES,
    reset=st.booleans(),
)
def test_rate_and_order_hold_across_changes_and_estimates_follow(
    new_store: Callable[..., Store], clock: FakeClock, arrivals: Any, changes: Any, reset: bool
) -> None:
    clock.reset()
    chosen: dict[str, Any] = {"interval": 5.0, "burst": 3, "limits": "6/min burst 6", "rate_most": 10}
    store, configured = new_store(**chosen), settings(**chosen)
    for count, priority in arrivals:
        submit(store, range(1, count + 1), priority)
    due = {at: rest for at, *rest in changes}
    starts: list[tuple[float, int, float, int]] = []
    rates, expected, era = Rates(), list[float](), 0
    while True:
        if len(starts) in due:
            interval, burst, limit = due.pop(len(starts))
            limits = {"6/min burst 6": limit} if limit else {}
            rates = (
                Rates()
                if reset and not due
                else check_rates({"interval": interval, "burst": burst, "limits": limits}, configured)
            )
            store.change_rates(rates)
            expected, era = [at for _, at in store.upcoming(99) if at], len(starts)
        answer = store.claim(1)
        if isinstance(answer, Wait):
            if answer.reason == "empty":
                break
            assert answer.seconds is not None
            clock.advance(answer.seconds)
            continue
        starts.append((clock.now(), era, answer[0].batch.priority, answer[0].batch.position))
        finish(store, answer[0])
    assert [priority for _, _, priority, _ in starts] == sorted(priority for _, _, priority, _ in starts)
    # After the last change its rate is kept exactly, and all of it was foreseen.
    last = [at for at, of, _, _ in starts if of == era]
    assert last == pytest.approx(expected[: len(last)], abs=0.001) or not expected
    applied = rates.apply(configured)
    assert_limits(last, applied.limits)
    for first, later in itertools.combinations(range(len(last)), 2):
        least = (later - first + 1 - applied.burst) * applied.interval
        assert last[later] - last[first] >= least - EPSILON


def test_a_moved_ingestion_goes_at_its_new_priority_in_the_order_of_creation(
    new_store: Callable[..., Store], clock: FakeClock
) -> None:
    store = new_store(interval=5)
    first, moved, last = (
        submit(store, range(1, 7), priority) for priority in (Priority.HIGH, Priority.LOW, Priority.HIGH)
    )
    clock.advance(1)
    after = store.move(moved.id, Priority.HIGH, "ann")
    assert (after.priority, after.order) == (Priority.HIGH, moved.order)
    assert [one.batches_ahead for one in map(estimate, (store,) * 3, (first, moved, last))] == [0, 2, 4]
    assert estimate(store, last).start == START + 21
    assert {name: depth.waiting for name, depth in store.stats().depths.items()} == {1: 6, 2: 0, 3: 0}
    assert [one.id for one in store.ingestions(Filter(priority=Priority.HIGH))] == [last.id, moved.id, first.id]
    assert store.ingestions(Filter(priority=Priority.LOW)) == []
    assert store.move(moved.id, Priority.HIGH) == after
    (entry,) = store.audits(9)
    assert (entry.by, entry.action, entry.subject) == ("ann", "move", moved.id)
    assert (entry.before, entry.after) == ({"priority": "LOW"}, {"priority": "HIGH"})
    assert store.stats().order_since == START + 1


def test_retries_move_too_and_what_runs_ends_as_usual(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, concurrency=9)
    moved, other = submit(store, range(1, 10), Priority.HIGH), submit(store, [1], Priority.MEDIUM)
    later, now, running = claimed(store, 3)
    retry(store, later, BOOM, 60)
    retry(store, now, BOOM, 0)
    store.move(moved.id, Priority.LOW)
    assert finish(store, running) is not None
    assert [claimed(store)[0].batch.ingestion_id for _ in range(2)] == [other.id, moved.id]
    clock.advance(60)
    again = submit(store, [1], Priority.MEDIUM)
    assert [claimed(store)[0].batch.ingestion_id for _ in range(2)] == [again.id, moved.id]
    assert [one.priority for one in store.dispatches(9)][-4:] == [2, 3, 2, 3]


def test_a_redrive_of_a_moved_ingestion_goes_at_its_new_priority(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    moved = submit(store, range(1, 7), Priority.HIGH)
    bury(store, claimed(store)[0], BOOM)
    store.move(moved.id, Priority.LOW)
    submit(store, [1], Priority.MEDIUM)
    store.redrive(moved.id)
    assert [claimed(store)[0].batch.priority for _ in range(3)] == [2, 3, 3]


def test_a_move_counts_against_the_same_quota(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=5, key_quota=9)
    first = submit(store, range(1, 7), Priority.LOW, owner="ann")
    submit(store, range(1, 4), Priority.MEDIUM, owner="ann")
    store.move(first.id, Priority.HIGH)
    with pytest.raises(QuotaFull, match=r"9 of your ids are waiting and at most 9 may; 3 more will fit in 0.0 s"):
        submit(store, range(1, 4), owner="ann")
    claimed(store)
    submit(store, range(1, 4), owner="ann")


def test_what_is_not_moved_goes_on_to_count(new_store: Callable[..., Store]) -> None:
    store = new_store(key_quota=6, interval=5)
    first, _ = (submit(store, [1, 2, 3], owner="me") for _ in range(2))
    store.move(first.id, Priority.LOW)
    with pytest.raises(QuotaFull) as refused:
        submit(store, [1], owner="me")
    assert refused.value.retry_after == pytest.approx(0.0)
    (claim,) = claimed(store)
    submit(store, [7], owner="me")
    # Nothing of it waits, and another of this caller's does.
    store.move(claim.batch.ingestion_id, Priority.HIGH)
    with pytest.raises(QuotaFull) as refused:
        submit(store, [1, 2, 3], owner="me")
    assert refused.value.retry_after == pytest.approx(5.0)


def test_of_what_was_moved_no_estimate_is_judged(new_store: Callable[..., Store]) -> None:
    store = new_store()
    store.move(submit(store, [1]).id, Priority.HIGH)
    finish(store, claimed(store)[0])
    assert store.stats().accuracy is None


def test_what_has_ended_is_not_moved(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    done, cancelled = submit(store, [1]), submit(store, range(1, 9))
    finish(store, claimed(store)[0])
    with pytest.raises(Conflict, match=r"The ingestion is completed; nothing is left to move."):
        store.move(done.id, Priority.HIGH)
    claimed(store)
    store.cancel(cancelled.id)
    with pytest.raises(Conflict, match=r"The ingestion is cancelled; nothing is left to move."):
        store.move(cancelled.id, Priority.HIGH)
    with pytest.raises(UnknownIngestion):
        store.move("nothing-like-it", Priority.HIGH)


def estimate(store: Store, ingestion: Ingestion) -> Estimate:
    found = estimate_of(store, ingestion.id)
    assert found is not None
    return found
