"""Redrives and cancels of all that match, as a store keeps and carries them out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.core import BatchError, Ingestion, Priority, Status, Sweep, SweepFilter, count_sweep, steps
from app.errors import KeyReused
from app.store import Store
from app.wiring import open_store
from tests.support.clock import FakeClock
from tests.support.queueing import blocked, bury, claimed, finish, settings, submit

BOOM = BatchError("ValueError", "boom")


@pytest.fixture
def store(new_store: Callable[..., Store]) -> Store:
    return new_store(interval=0, batch_size=1)


def sweep(verb: str = "redrive", key: str | None = None, by: str | None = None, **where: Any) -> Sweep:
    global _made
    _made += 1
    return Sweep(f"{_made:036}", verb, SweepFilter(**where), by, key, repr(where), 0.0, 7)


_made = 0


def failed(store: Store, error: BatchError = BOOM, **more: Any) -> str:
    one = submit(store, [1], **more)
    bury(store, claimed(store)[0], error)
    return one.id


def carry_out(store: Store, order: Sweep) -> Sweep:
    """Carry a sweep out as the sweeper does."""
    added, new = store.sweeps.add(order)
    assert new
    current = store.sweeps.claim(60)
    assert isinstance(current, Sweep)
    assert current.id == added.id
    for some, cursor in steps(current.verb, current.where, store.ingestions, store.failures, current.cursor):
        done = store.sweeps.act(current, [one.id for one in some], cursor, 60, last=False)
        assert done is not None
        current = done[0]
    done = store.sweeps.act(current, [], current.cursor, 60, last=True)
    assert done is not None
    assert store.sweeps.get(order.id) == done[0]
    return done[0]


def test_a_cancel_of_those_with_failed_batches_leaves_the_others_alone(store: Store) -> None:
    mixed, other = submit(store, [1, 2]), submit(store, [3])
    bury(store, claimed(store)[0], BOOM)
    assert carry_out(store, sweep("cancel", failed=True)).acted == 1
    assert store.get(mixed.id).counts.cancelled == 1
    assert store.get(other.id).status is Status.YET_TO_START


def test_all_that_match_are_redriven(store: Store) -> None:
    gone = BatchError("Gone", "no record 5")
    ids = {
        "low": failed(store, priority=Priority.LOW, owner="web"),
        "high": failed(store, priority=Priority.HIGH),
        "gone": failed(store, gone),
    }
    finish(store, (submit(store, [1]), claimed(store)[0])[1])
    group = next(iter(store.failures())), next(iter(store.failures())).error
    assert group[1] == gone
    for where, wanted in (
        ({"priority": Priority.LOW}, {"low"}),
        ({"owner": "web"}, {"low"}),
        ({"status": Status.COMPLETED}, set()),
        ({"status": Status.FAILED}, {"low", "high", "gone"}),
    ):
        done = carry_out(store, sweep(**where))
        redriven = {name for name, one in ids.items() if store.get(one).status is not Status.FAILED}
        assert redriven == wanted
        assert (done.acted, done.finished_at is not None) == (len(wanted), True)
        for _ in wanted:
            claim = claimed(store)[0]
            bury(store, claim, gone if claim.batch.ingestion_id == ids["gone"] else BOOM)
    blocked(store)


def test_a_group_and_a_time_choose(store: Store, clock: FakeClock) -> None:
    from app.core import group_of

    first = failed(store, BatchError("E", "record 1"))
    clock.advance(100)
    second, other = failed(store, BatchError("E", "record 2")), failed(store)
    group = group_of(BatchError("E", "record 9")).id
    assert carry_out(store, sweep(group=group, since=clock.now() - 50)).acted == 1
    assert store.get(second).status is Status.YET_TO_START
    assert carry_out(store, sweep(group=group, until=clock.now() - 50)).acted == 1
    assert store.get(first).status is Status.YET_TO_START
    assert store.get(other).status is Status.FAILED


def test_all_that_match_are_cancelled(store: Store) -> None:
    done = failed(store)
    waiting = [submit(store, [1, 2], Priority.LOW).id for _ in range(60)]
    kept = submit(store, [1], Priority.HIGH).id
    assert carry_out(store, sweep("cancel", priority=Priority.LOW)).acted == 60
    assert {store.get(one).status for one in waiting} == {Status.CANCELLED}
    assert (store.get(done).status, store.get(kept).status) == (Status.FAILED, Status.YET_TO_START)
    assert carry_out(store, sweep("cancel", priority=Priority.LOW)).acted == 0


def test_what_is_submitted_later_is_left_alone(store: Store) -> None:
    order, _ = store.sweeps.add(sweep("cancel", priority=Priority.LOW))
    later = submit(store, [1], Priority.LOW)
    assert order.cursor == later.order
    assert list(steps("cancel", order.where, store.ingestions, store.failures, order.cursor)) == []


def test_another_goes_on_after_the_lease(store: Store, clock: FakeClock) -> None:
    made = [failed(store) for _ in range(3)]
    store.sweeps.add(sweep(status=Status.FAILED))
    dead = store.sweeps.claim(60)
    assert isinstance(dead, Sweep)
    assert store.sweeps.claim(60) == 60
    done = store.sweeps.act(dead, [made[2]], 3, 60, last=False)
    assert done is not None
    clock.advance(59.5)
    assert store.sweeps.claim(60) == 0.5
    clock.advance(0.5)
    other = store.sweeps.claim(60)
    assert isinstance(other, Sweep)
    assert (other.cursor, other.acted) == (3, 1)
    store.sweeps.release(dead)
    assert store.sweeps.claim(60) == 60
    assert store.sweeps.act(done[0], [made[1]], 2, 60, last=False) is None
    assert store.get(made[1]).status is Status.FAILED
    ((rest, _),) = steps(other.verb, other.where, store.ingestions, store.failures, other.cursor)
    assert [one.id for one in rest] == [made[1], made[0]]
    store.sweeps.release(other)
    assert isinstance(store.sweeps.claim(60), Sweep)


def test_while_others_work_on_all_it_is_looked_for_when_the_first_lease_ends(store: Store) -> None:
    for _ in range(2):
        store.sweeps.add(sweep())
    assert isinstance(store.sweeps.claim(60), Sweep)
    assert isinstance(store.sweeps.claim(20), Sweep)
    assert store.sweeps.claim(60) == pytest.approx(20)


def test_what_refuses_is_left_out(store: Store) -> None:
    one, two = failed(store), failed(store)
    store.redrive(one)
    store.sweeps.add(sweep(status=Status.FAILED))
    current = store.sweeps.claim(60)
    assert isinstance(current, Sweep)
    unknown = "00000000-0000-4000-8000-000000000000"
    done = store.sweeps.act(current, [unknown, one, two], 1, 60, last=True)
    assert done is not None
    assert ([ingestion.id for ingestion in done[1]], done[0].acted) == ([two], 1)
    assert store.sweeps.claim(60) is None


def test_a_key_starts_one(store: Store) -> None:
    first, new = store.sweeps.add(sweep(key="k", by="me", owner="web"))
    assert new
    assert store.sweeps.add(sweep(key="k", by="me", owner="web")) == (first, False)
    with pytest.raises(KeyReused):
        store.sweeps.add(sweep(key="k", by="me", owner="app"))
    assert store.sweeps.add(sweep(key="k", by="you", owner="app"))[1]
    assert store.sweeps.add(sweep(owner="web"))[1]
    assert len(store.sweeps.latest(10)) == 3
    assert len(store.sweeps.latest(2)) == 2


def test_finished_ones_are_forgotten(new_store: Callable[..., Store], clock: FakeClock) -> None:
    store = new_store(retention=100)
    old = carry_out(store, sweep(owner="web"))
    clock.advance(99)
    store.sweeps.add(sweep(owner="web"))
    assert [one.id for one in store.sweeps.latest(10)][1:] == [old.id]
    clock.advance(1)
    store.sweeps.add(sweep(owner="web"))
    assert store.sweeps.get(old.id) is None
    assert len(store.sweeps.latest(10)) == 2
    assert store.sweeps.act(old, [], 0, 60, last=True) is None
    store.sweeps.release(old)


def test_the_audit_log_has_one_entry_for_all(store: Store) -> None:
    for _ in range(3):
        failed(store, priority=Priority.LOW)
    order = sweep(by="ann", status=Status.FAILED, priority=Priority.LOW)
    carry_out(store, order)
    (entry,) = store.audits(9)
    assert (entry.by, entry.action, entry.subject) == ("ann", "redrive_all", order.id)
    assert entry.after == {"matched": 7, "status": "failed", "priority": "LOW"}
    assert carry_out(store, sweep("cancel", by="bob", priority=Priority.LOW)).acted == 3
    assert [(one.by, one.action) for one in store.audits(9)] == [("bob", "cancel_all"), ("ann", "redrive_all")]


def test_the_bounds_of_a_time_belong_to_it_and_what_was_cancelled_does_not(store: Store, clock: FakeClock) -> None:
    ids, times = [], []
    for _ in range(4):
        times.append(clock.now())
        ids.append(failed(store))
        clock.advance(1)
    gone = submit(store, [1, 2])
    bury(store, claimed(store)[0], BOOM)
    store.cancel(gone.id)

    def found(**where: Any) -> list[str]:
        pages = steps("redrive", SweepFilter(**where), store.ingestions, store.failures)
        return [one.id for page, _ in pages for one in page]

    assert found() == ids[::-1]
    assert found(since=times[1], until=times[2]) == [ids[2], ids[1]]


def test_another_process_is_noticed_by_polling(address: str, clock: FakeClock) -> None:
    if address == "memory://":
        pytest.skip("no other process shares it")
    polls = open_store(settings(store=address, store_poll=2, interval=0), clock, "sweep-polls")
    assert polls.sweeps.claim(60) == 2.0
    polls.sweeps.add(sweep())
    current = polls.sweeps.claim(1.5)
    assert isinstance(current, Sweep)
    assert polls.sweeps.claim(60) == 1.5
    polls.sweeps.release(current)
    assert isinstance(polls.sweeps.claim(60), Sweep)
    assert polls.sweeps.claim(60) == 2.0
    polls.close()


def test_a_count_looks_at_many_at_once_and_for_a_cancel_at_none_that_has_ended(store: Store) -> None:
    ended = [submit(store, [1], owner=owner).id for owner in "ab" for _ in range(4)]
    for one in ended:
        store.cancel(one)
    for number in range(60):
        submit(store, [1], Priority(1 + number % 3), owner="ab"[number % 2])
    for where, count in (
        (SweepFilter(owner="a"), 30),
        (SweepFilter(priority=Priority.HIGH), 20),
        (SweepFilter(owner="b", priority=Priority.LOW), 10),
        (SweepFilter(since=0.0), 60),
    ):
        pages: list[list[Ingestion]] = []

        def listing(*arguments: Any, pages: list[list[Ingestion]] = pages, **more: Any) -> list[Ingestion]:
            pages.append(store.ingestions(*arguments, **more))
            return pages[-1]

        assert count_sweep("cancel", where, listing, store.failures) == (count, count)
        assert [len(page) for page in pages] == [count]
