"""Batches that await another's call meet pauses, moves, cancels, redrives and callers that take turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.cli.verify import verify
from app.core import BatchError, Claim, Ingestion, Pauses, Priority, Status, Wait
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import ack, blocked, bury, claimed, estimate_of, finish, retry, submit
from tests.support.simulation import BOOM

HIGH, MEDIUM, LOW = Priority
ANN = Pauses(owners=frozenset({"ann"}))
LATER = Pauses(priorities=frozenset({LOW}))

New = Callable[..., Store]


@pytest.fixture(params=[False, True], ids=["in order", "by turns"])
def fresh(new_store: New, request: pytest.FixtureRequest) -> New:
    """Makes a store with FRESH, whose answers are shared, and no limit; and once more with FAIR."""

    def make(**changes: Any) -> Store:
        chosen = {"fresh": 60, "fresh_shared": True, "interval": 0, "batch_size": 2, "fair": request.param}
        return new_store(**chosen | changes)

    return make


def asking(store: Store, ids: list[int], **more: Any) -> Claim:
    """The call of an ingestion that asks these ids."""
    submit(store, ids, **more)
    (claim,) = claimed(store)
    assert claim.batch.ids == ids
    return claim


def awaiting(store: Store, ids: list[int], priority: Priority = MEDIUM, *, owner: str = "ann") -> Ingestion:
    """An ingestion whose only batch awaits the call of another."""
    found = submit(store, ids, priority, owner=owner)
    assert blocked(store).reason == "answer"
    return found


def assert_nothing_waits(store: Store) -> None:
    assert all(depth.waiting == 0 for depth in store.stats().depths.values())
    assert store.callers(9) == []
    assert store.upcoming(9) == []
    assert blocked(store).reason == "empty"
    assert not verify(store.dispatches(99), interval=0, order_since=store.stats().order_since)


def test_are_among_the_upcoming_though_a_caller_with_a_retry_alone_has_an_earlier_turn(fresh: New) -> None:
    store = fresh()
    asking(store, [1], owner="bob")
    asking(store, [2], owner="bob")
    retry(store, asking(store, [3], owner="abe"), BOOM, 60.0)
    submit(store, [1], owner="bob")
    assert blocked(store).reason == "retry"
    upcoming = store.upcoming(2)
    assert [batch.ids for batch, _ in upcoming] == [[1], [3]]
    assert store.upcoming(1) == upcoming[:1]


def test_are_counted_of_their_callers(fresh: New) -> None:
    store = fresh()
    call = asking(store, [1], owner="bob")
    waits = awaiting(store, [1])
    assert store.stats().depths[MEDIUM].waiting == 1
    if told := store.callers(9):
        assert told == [("ann", MEDIUM, 1, START, 0)]
    assert [batch.ingestion_id for batch, _ in store.upcoming(9)] == [waits.id]
    finish(store, call)
    assert blocked(store).reason == "empty"
    assert_nothing_waits(store)


class TestPaused:
    def test_are_not_in_line(self, fresh: New) -> None:
        store = fresh()
        asking(store, [1], owner="bob")
        waits = awaiting(store, [1])
        store.pause(what=ANN)
        assert blocked(store) == Wait(None, "paused")
        assert store.stats().depths[MEDIUM] == (1, None, None, 1)
        assert store.upcoming(9) == []
        if told := store.callers(9):
            assert told == [("ann", MEDIUM, 1, None, 1)]
        found = estimate_of(store, waits.id)
        assert found is not None
        assert found.completion is None

    def test_and_resumed_while_the_call_runs_await_it_again(self, fresh: New) -> None:
        store = fresh()
        call = asking(store, [1], owner="bob")
        waits = awaiting(store, [1])
        store.pause(what=ANN)
        store.resume(what=ANN)
        assert blocked(store).reason == "answer"
        finish(store, call, '"x"')
        assert blocked(store).reason == "empty"
        assert list(store.results(waits.id)) == [(1, '"x"')]
        assert_nothing_waits(store)

    @pytest.mark.parametrize("answered", [True, False])
    def test_while_the_call_ends_go_on_after_it(self, fresh: New, clock: FakeClock, answered: bool) -> None:
        store = fresh()
        call = asking(store, [1], owner="bob")
        waits = awaiting(store, [1])
        store.pause(what=ANN)
        clock.advance(1)
        if answered:
            finish(store, call)
        else:
            bury(store, call, BOOM)
        assert blocked(store) == Wait(None, "paused")
        clock.advance(1)
        store.resume(what=ANN)
        if not answered:
            (claim,) = claimed(store)
            assert claim.batch.ingestion_id == waits.id
            finish(store, claim)
        assert blocked(store).reason == "empty"
        assert store.get(waits.id).status is Status.COMPLETED
        assert_nothing_waits(store)

    def test_and_cancelled_are_gone(self, fresh: New) -> None:
        store = fresh()
        call = asking(store, [1], owner="bob")
        waits = awaiting(store, [1])
        store.pause(what=ANN)
        assert store.cancel(waits.id)[0].status is Status.CANCELLED
        store.resume(what=ANN)
        finish(store, call)
        assert_nothing_waits(store)

    def test_what_arrives_is_served_and_does_not_start(self, fresh: New) -> None:
        store = fresh()
        finish(store, asking(store, [1, 2], owner="bob"))
        store.pause(what=ANN)
        half = submit(store, [1, 2, 3, 4], owner="ann")
        assert half.counts.completed == 1
        finish(store, asking(store, [5], priority=LOW, owner="bob"))
        assert blocked(store) == Wait(None, "paused")
        assert submit(store, [2, 1], owner="ann").status is Status.COMPLETED
        store.resume(what=ANN)
        (claim,) = claimed(store)
        assert claim.batch.ids == [3, 4]
        finish(store, claim)
        assert_nothing_waits(store)


class TestMoved:
    def test_await_the_same_call_at_their_new_place(self, fresh: New, clock: FakeClock) -> None:
        store = fresh()
        call = asking(store, [1], owner="bob")
        other = awaiting(store, [1], HIGH, owner="cid")
        waits = awaiting(store, [1], LOW)
        assert store.move(waits.id, HIGH).priority is HIGH
        assert store.move(other.id, LOW).priority is LOW
        assert blocked(store).reason == "answer"
        assert [batch.ingestion_id for batch, _ in store.upcoming(9)] == [waits.id, other.id]
        clock.advance(1)
        bury(store, call, BOOM)
        (again,) = claimed(store)
        assert again.batch.ingestion_id == waits.id
        assert store.dispatches(1)[0].priority is HIGH
        assert blocked(store).reason == "answer"
        finish(store, again)
        assert blocked(store).reason == "empty"
        assert store.get(other.id).status is Status.COMPLETED
        assert_nothing_waits(store)

    def test_into_a_pause_and_out_of_it(self, fresh: New) -> None:
        store = fresh()
        call = asking(store, [1], owner="bob")
        waits = awaiting(store, [1])
        store.pause(what=LATER)
        store.move(waits.id, LOW)
        assert blocked(store) == Wait(None, "paused")
        bury(store, call, BOOM)
        assert blocked(store) == Wait(None, "paused")
        store.move(waits.id, HIGH)
        (claim,) = claimed(store)
        assert claim.batch.ingestion_id == waits.id
        finish(store, claim)
        assert_nothing_waits(store)


def test_go_again_from_the_end_of_the_call_that_they_awaited(fresh: New, clock: FakeClock) -> None:
    store = fresh()
    again = asking(store, [3], owner="bob")
    retry(store, again, BOOM, 6.0)
    call = asking(store, [3])
    clock.advance(6.0)
    assert blocked(store).reason == "answer"
    clock.advance(4.0)
    bury(store, call, BOOM)
    (batch,) = store.batches(again.batch.ingestion_id)[1]
    assert batch.next_attempt_at == START + 10


def test_are_listed_in_the_turns_of_their_callers_however_many_one_has(fresh: New) -> None:
    store = fresh(fair=True, fresh_shared=True, fresh=1000, batch_size=1)
    submit(store, [1], Priority.LOW, owner="bob")
    claimed(store)
    for _ in range(4):
        submit(store, [1], Priority.HIGH, owner="carol")
    first = submit(store, [1], Priority.HIGH, owner="alice")
    assert blocked(store).reason == "answer"
    assert next(batch.ingestion_id for batch, _ in store.upcoming(3)) == first.id


def test_cancelled_are_gone_at_once(fresh: New) -> None:
    store = fresh()
    call = asking(store, [1], owner="bob")
    waits = awaiting(store, [1])
    assert store.cancel(waits.id)[0].status is Status.CANCELLED
    assert_nothing_waits(store)
    finish(store, call)
    assert_nothing_waits(store)


def test_redriven_are_awaited_and_await(fresh: New) -> None:
    store = fresh()
    failed = submit(store, [1, 2], owner="ann")
    bury(store, claimed(store)[0], BOOM)
    call = asking(store, [1], owner="bob")
    store.redrive(failed.id)
    assert blocked(store).reason == "answer"
    store.pause(what=ANN)
    assert blocked(store) == Wait(None, "paused")
    finish(store, call)
    store.resume(what=ANN)
    (claim,) = claimed(store)
    assert claim.batch.ids == [2]
    finish(store, claim)
    assert store.get(failed.id).status is Status.COMPLETED
    assert_nothing_waits(store)


def test_redriven_after_they_were_served_as_failed_ask_only_what_failed(fresh: New) -> None:
    store = fresh(split_failed=True)
    waits = submit(store, [1, 2], owner="ann")
    bury(store, claimed(store)[0], BOOM)
    (alone,) = claimed(store)
    assert alone.batch.ids == [1]
    call = asking(store, [2], owner="bob")
    bury(store, alone, BatchError("ValueError", "no such record"))
    assert blocked(store).reason == "answer"
    finish(store, call)
    assert blocked(store).reason == "empty"
    assert store.get(waits.id).status is Status.FAILED
    store.redrive(waits.id)
    assert store.stats().depths[MEDIUM].waiting == 1
    (again,) = claimed(store)
    assert again.batch.ids == [1]
    assert ack(store, again, ['"x"']) is not None
    assert list(store.results(waits.id)) == [(1, '"x"'), (2, "true")]
    assert_nothing_waits(store)
