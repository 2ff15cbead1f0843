"""What is paused while the rest of the queue goes on: a priority, a caller."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core import WHOLE_QUEUE, Estimate, Ingestion, Pauses, Priority, Wait
from app.errors import BacklogFull, QuotaFull
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import blocked, bury, claimed, estimate_of, finish, release, retry, submit
from tests.support.simulation import BOOM

HIGH, MEDIUM, LOW = Priority
URGENT = Pauses(priorities=frozenset({HIGH}))
ANN = Pauses(owners=frozenset({"ann"}))


def estimate(store: Store, ingestion: Ingestion) -> Estimate:
    found = estimate_of(store, ingestion.id)
    assert found is not None
    return found


def starts(store: Store, count: int) -> list[str]:
    """The ingestions of the next batches that start, one after the other."""
    return [claimed(store)[0].batch.ingestion_id for _ in range(count)]


@pytest.mark.parametrize("what", [URGENT, ANN, Pauses(frozenset({HIGH}), frozenset({"ann"}))])
def test_the_others_go_on_and_do_not_count_what_is_paused(
    new_store: Callable[..., Store], clock: FakeClock, what: Pauses
) -> None:
    store = new_store(interval=5)
    parked = submit(store, range(1, 7), HIGH, owner="ann")
    other = submit(store, range(1, 7), LOW, owner="bob")
    assert estimate(store, other).batches_ahead == 2
    store.pause(what=what)
    assert store.stats().order_since == 0.0
    assert estimate(store, parked) == Estimate(0, None, None, None)
    assert estimate(store, other) == Estimate(0, START, START + 5, START)
    assert [(batch.ingestion_id, at) for batch, at in store.upcoming(9)] == [(other.id, START), (other.id, START + 5)]
    assert store.stats().depths[HIGH] == (2, None, None, 2)
    assert starts(store, 1) == [other.id]
    clock.advance(5)
    assert starts(store, 1) == [other.id]
    clock.advance(5)
    assert blocked(store) == Wait(None, "paused")
    assert (store.stats().waiting_on, store.stats().paused, store.stats().pauses) == ("paused", False, what)
    store.resume(what=what)
    assert estimate(store, parked) == Estimate(0, START + 10, START + 15, START + 10)
    assert starts(store, 1) == [parked.id]
    assert store.dispatches(9)[-1].limited_by == "paused"
    assert store.stats().order_since == START + 10


def test_what_arrives_for_it_waits_too_and_is_promised_no_time(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=5)
    store.pause(what=Pauses(frozenset({HIGH}), frozenset({"ann"})))
    urgent, ann, other = submit(store, [1], HIGH), submit(store, [1], MEDIUM, owner="ann"), submit(store, [1], LOW)
    assert [estimate(store, one).completion for one in (urgent, ann, other)] == [None, None, START]
    assert [one and one.completion for one in store.quote(1).values()] == [None, START, START + 5]
    assert [one and one.completion for one in store.quote(1, "ann").values()] == [None, None, None]
    store.resume(what=ANN)
    assert starts(store, 1) == [ann.id]


def test_running_batches_end_and_their_retries_wait(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=0, concurrency=9)
    parked, other = submit(store, range(1, 13), HIGH), submit(store, [1], LOW)
    done, again, later, back = claimed(store, 4)
    store.pause(what=URGENT)
    assert finish(store, done) is not None
    retry(store, again, BOOM, 0)
    retry(store, later, BOOM, 30)
    release(store, back)
    assert store.stats().next_retry_at is None
    assert estimate(store, parked).start is None
    assert starts(store, 1) == [other.id]
    clock.advance(10)
    assert blocked(store) == Wait(None, "paused")
    store.resume(what=URGENT)
    assert store.stats().next_retry_at == START + 30
    assert starts(store, 2) == [parked.id] * 2
    assert blocked(store) == Wait(20.0, "retry")


def test_a_redrive_a_move_and_a_cancel_of_what_is_paused(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    failed, moved, gone = (submit(store, range(1, 4), HIGH, owner=owner) for owner in ("ann", None, "bob"))
    bury(store, claimed(store)[0], BOOM)
    store.pause(what=Pauses(frozenset({HIGH}), frozenset({"ann"})))
    store.redrive(failed.id)
    assert store.move(moved.id, LOW).priority is LOW
    assert store.cancel(gone.id)[1]
    assert starts(store, 1) == [moved.id]
    assert blocked(store) == Wait(None, "paused")
    store.move(failed.id, MEDIUM)
    assert blocked(store) == Wait(None, "paused")
    store.resume(what=URGENT)
    store.move(failed.id, HIGH)
    assert blocked(store) == Wait(None, "paused")
    store.resume(what=ANN)
    assert starts(store, 1) == [failed.id]
    assert blocked(store) == Wait(None, "empty")
    assert all(depth == (0, None, None, 0) for depth in store.stats().depths.values())


def test_a_batch_that_ran_during_a_pause_is_retried_after_it(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=0)
    submit(store, [1], owner="ann")
    (claim,) = claimed(store)
    store.pause(what=ANN)
    store.resume(what=ANN)
    retry(store, claim, BOOM, 0)
    assert len(claimed(store)) == 1


def test_what_is_paused_counts_against_the_bounds(new_store: Callable[..., Store]) -> None:
    store = new_store(interval=5, max_pending=4, key_quota=9)
    submit(store, range(1, 10), owner="ann")
    store.pause(what=ANN)
    with pytest.raises(BacklogFull, match=r"3 batches are waiting and at most 4 may; what waits is paused") as refused:
        submit(store, range(1, 7), owner="bob")
    assert refused.value.retry_after == 5
    with pytest.raises(QuotaFull, match="9 of your ids are waiting and at most 9 may; what waits is paused"):
        submit(store, [1], owner="ann")
    submit(store, [1], owner="bob")
    with pytest.raises(BacklogFull, match=r"4 batches are waiting, .*; 1 more will fit in 0.0 s"):
        submit(store, [1], owner="bob")


def test_of_what_arrived_during_a_pause_no_estimate_is_judged(new_store: Callable[..., Store]) -> None:
    store = new_store()
    store.pause(what=ANN)
    submit(store, [1], owner="ann")
    store.resume(what=ANN)
    finish(store, claimed(store)[0])
    assert store.stats().accuracy is None


@pytest.mark.parametrize("priority", Priority)
def test_whatever_its_priority(new_store: Callable[..., Store], priority: Priority) -> None:
    store = new_store(max_pending=2)
    store.pause(what=Pauses(frozenset({priority})))
    submit(store, range(1, 7), priority)
    with pytest.raises(BacklogFull, match="2 batches are waiting and at most 2 may"):
        submit(store, [1], Priority.HIGH)


def test_each_pause_is_ended_by_itself_and_is_in_the_log(store: Store) -> None:
    store.pause("bob")
    store.pause("ann", URGENT)
    store.pause("ann", URGENT)
    store.pause("ann", ANN)
    store.resume("bob", WHOLE_QUEUE)
    assert store.stats().pauses == Pauses(frozenset({HIGH}), frozenset({"ann"}))
    store.resume("ann", URGENT)
    log = [(one.by, one.action, one.subject, one.before, one.after) for one in store.audits(9)]
    assert log == [
        ("ann", "resume", "", {"paused_priorities": ["HIGH"]}, {"paused_priorities": []}),
        ("bob", "resume", "", {"paused": True}, {"paused": False}),
        ("ann", "pause", "", {"paused_owners": []}, {"paused_owners": ["ann"]}),
        ("ann", "pause", "", {"paused_priorities": []}, {"paused_priorities": ["HIGH"]}),
        ("bob", "pause", "", {"paused": False}, {"paused": True}),
    ]


def test_the_oldest_and_the_last_are_those_in_line(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(interval=5)
    submit(store, range(1, 7), owner="ann")
    clock.advance(1)
    submit(store, range(1, 7), owner="bob")
    store.pause(what=ANN)
    assert store.stats().depths[MEDIUM] == (4, START + 1, START + 6, 2)
    store.resume(what=ANN)
    assert store.stats().depths[MEDIUM] == (4, START, START + 16, 0)


def test_of_many_ingestions_all_are_parked_and_put_back(new_store: Callable[..., Store], address: str) -> None:
    store = new_store(interval=0)
    count = 1100 if address != "postgresql" else 600
    mine = [submit(store, [1], owner="ann").id for _ in range(count)]
    other = submit(store, [1], LOW)
    store.pause(what=ANN)
    assert store.stats().depths[MEDIUM] == (count, None, None, count)
    assert starts(store, 1) == [other.id]
    store.resume(what=ANN)
    assert starts(store, 5) == mine[:5]
    assert store.stats().depths[MEDIUM].waiting == count - 5
