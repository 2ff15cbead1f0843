"""Memory stays flat, however long it runs."""

from __future__ import annotations

import gc
import weakref

import pytest

from app.core import BatchError, FailureFilter, Priority, Status
from app.errors import BacklogFull, UnknownIngestion
from app.memory import registry
from app.memory.record import Record
from app.memory.store import MemoryStore
from tests.support.clock import FakeClock
from tests.support.queueing import bury, claimed, finish, retry, settings, submit
from tests.support.work import work_of


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[Record]:
    """Every record alive."""
    alive: weakref.WeakSet[Record] = weakref.WeakSet()

    class Counted(Record):
        __slots__ = ("__weakref__",)

        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            alive.add(self)

    monkeypatch.setattr("app.memory.admission.Record", Counted)
    return alive


def drain(count: int, records: weakref.WeakSet[Record]) -> int:
    """Submit, finish and forget ingestions, 10 of them known at a time; returns the most records ever alive."""
    clock, most = FakeClock(), 0
    store = MemoryStore(settings(interval=0, retention=10), clock)
    for number in range(count):
        submit(store, [1, 2, 3], Priority(1 + number % 3), key=str(number), fingerprint="")
        finish(store, claimed(store)[0])
        clock.advance(1)
        if number % 1000 == 999:
            gc.collect()
            most = max(most, len(records))
    return most


def test_a_cancel_looks_at_no_other_caller() -> None:
    work = []
    for callers in (30, 600):
        store = MemoryStore(settings(fair=True), FakeClock())
        made = [submit(store, [1, 2, 3, 4], owner=f"caller{number}") for number in range(callers)]
        claimed(store)
        cancelled = made[callers // 2].id
        work.append(work_of(lambda store=store, cancelled=cancelled: store.cancel(cancelled)))  # type: ignore[misc]
    assert 0 < work[1] < work[0] + 60


def test_what_ended_is_let_go(records: weakref.WeakSet[Record]) -> None:
    assert 0 < drain(3000, records) < 150


@pytest.mark.soak
def test_a_million_ingestions_take_no_more_memory_than_the_first_thousand(records: weakref.WeakSet[Record]) -> None:
    assert 0 < drain(1_000_000, records) < 150


@pytest.mark.parametrize("fair", [True, False])
def test_what_was_cancelled_behind_an_endless_stream_is_let_go(records: weakref.WeakSet[Record], fair: bool) -> None:
    clock = FakeClock()
    store = MemoryStore(settings(retention=10, fair=fair), clock)
    submit(store, range(1, 10_000), Priority.HIGH)
    for _ in range(1000):
        store.cancel(submit(store, [1], Priority.LOW).id)
        clock.advance(1)
    gc.collect()
    assert 0 < len(records) < 150


def test_a_failure_that_was_started_over_while_the_rest_was_read_is_left_out() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(interval=0, batch_size=1), clock)
    first = submit(store, [1])
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    clock.advance(1)
    for _ in range(1000):  # As many as are read under one hold of the lock.
        submit(store, [1])
    for claim in claimed(store, 1000):
        bury(store, claim, BatchError("E", "boom"))
    reading = store.failures(FailureFilter())
    next(reading)
    store.redrive(first.id)
    clock.advance(1)
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    assert first.id not in {one.ingestion_id for one in reading}


def test_without_settings_what_waits_is_bounded_with_room_for_a_million_ids() -> None:
    store = MemoryStore(settings(), FakeClock())
    for _ in range(2):
        submit(store, range(1_000_000))
    submit(store, range(999_996))
    with pytest.raises(BacklogFull, match=r"1000000 batches are waiting, .* and at most 1000000 may") as refused:
        submit(store, [1])
    assert refused.value.retry_after == 0.0
    claimed(store)
    submit(store, [1])


def test_accuracy_is_that_of_the_latest_thousand_ingestions() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(interval=0), clock)
    for number in range(1001):
        submit(store, [1])
        if number == 0:
            clock.advance(5)
        finish(store, claimed(store)[0])
        accuracy = store.stats().accuracy
        assert accuracy is not None
        assert (accuracy.ingestions, accuracy.mean * accuracy.ingestions) == (
            min(number + 1, 1000),
            pytest.approx(5 if number < 1000 else 0),
        )


def test_very_much_is_forgotten_a_little_at_a_time() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(interval=0, retention=10, key_quota=0), clock)
    for number in range(250):
        submit(store, [1, 2, 3], owner="a", key=str(number), fingerprint="")
    for claim in claimed(store, 250):
        finish(store, claim)
    first = store.ingestions(limit=1)[0]
    clock.advance(10)
    with pytest.raises(UnknownIngestion):
        store.get(first.id)
    again = submit(store, [1], owner="a", key="249", fingerprint="")
    assert again.id != first.id
    assert list(store.prune()) == [100, 50]
    assert submit(store, [1], owner="a", key="249", fingerprint="").id == again.id
    assert [one.id for one in store.ingestions()] == [again.id]


def test_of_what_is_large_less_is_forgotten_at_a_time() -> None:
    store = MemoryStore(settings(interval=0, retention=10, batch_size=10_000), clock := FakeClock())
    for _ in range(4):
        submit(store, range(60_000))
    for claim in claimed(store, 12):
        finish(store, claim)
    for one in store.ingestions()[:2]:
        store.cancel(one.id)
    clock.advance(10)
    assert list(store.prune()) == [2, 2, 0]


def test_a_cancel_looks_at_no_other_retry() -> None:
    work = []
    for count in (30, 3000):
        clock = FakeClock()
        store = MemoryStore(settings(interval=0), clock)
        made = [submit(store, [1]) for _ in range(count)]
        for claim in claimed(store, count):
            retry(store, claim, BatchError("E", "x"), 1000)
            clock.advance(0.1)
        work.append(work_of(lambda store=store, one=made[count // 2]: store.cancel(one.id)))  # type: ignore[misc]
        assert store.stats().waiting == count - 1
    assert 0 < work[1] < work[0] + 60


def test_a_page_of_batches_in_a_status_is_found_in_no_more_steps_among_many() -> None:
    work = []
    for count in (100, 10_000):
        store = MemoryStore(settings(interval=0, batch_size=1), FakeClock())
        made = submit(store, range(count))
        finish(store, claimed(store)[0])
        assert [one.position for one in store.batches(made.id, 0, 2, only=Status.COMPLETED)[1]] == [0]
        assert [one.position for one in store.batches(made.id, 97, 2, only=Status.YET_TO_START)[1]] == [98, 99]
        work.append(work_of(lambda store=store, one=made: store.batches(one.id, 0, 2, only=Status.FAILED)))  # type: ignore[misc]
    assert 0 < work[1] < work[0] + 60


def test_submitting_and_cancelling_does_not_fill_memory_up(records: weakref.WeakSet[Record]) -> None:
    clock = FakeClock()
    store = MemoryStore(settings(batch_size=1, retention=10), clock)
    done, waits = submit(store, [1], Priority.HIGH), submit(store, [2], Priority.LOW)
    finish(store, claimed(store)[0])
    few = submit(store, [3])
    store.cancel(few.id)
    for _ in range(5):
        store.cancel(latest := submit(store, range(400_000)).id)
        assert len(records) <= 6
    list(store.prune())
    assert len(records) <= 4
    assert store.get(latest).status == Status.CANCELLED
    assert store.get(done.id).status == Status.COMPLETED
    assert store.get(waits.id).status == Status.YET_TO_START
    with pytest.raises(UnknownIngestion):
        store.get(few.id)
    clock.advance(9)
    assert store.get(latest).status == Status.CANCELLED
    clock.advance(1)
    assert [one.id for one in store.ingestions()] == [waits.id]
    for _ in range(2):
        store.cancel(submit(store, range(400_000)).id)
    assert len(store.ingestions()) == 3


def test_very_many_cancelled_ones_are_forgotten_a_little_at_a_time() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(retention=10), clock)
    for _ in range(250):
        store.cancel(submit(store, [1]).id)
    clock.advance(10)
    assert list(store.prune()) == [100, 100, 50]
    assert store.ingestions() == []


def test_a_cancel_does_not_wait_until_others_are_forgotten_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    work = []
    for count in (30, 3000):
        monkeypatch.setattr(registry, "_CANCELLED", count)
        store = MemoryStore(settings(batch_size=1), FakeClock())
        for _ in range(count):
            store.cancel(submit(store, [1]).id)
        latest = submit(store, range(count))
        work.append(work_of(lambda store=store, one=latest: store.cancel(one.id)))  # type: ignore[misc]
    assert 0 < work[1] < work[0] + 60
    assert list(store.prune()) == [100] * 30 + [0]
    assert [one.id for one in store.ingestions()] == [latest.id]


def test_what_failed_and_is_cancelled_in_one_moment_is_forgotten_once() -> None:
    clock = FakeClock()
    store = MemoryStore(settings(retention=10, max_attempts=1), clock)
    made = submit(store, [1])
    bury(store, claimed(store)[0], BatchError("E", "x"))
    store.redrive(made.id)
    store.cancel(made.id)
    clock.advance(10)
    assert sum(store.prune()) == 1
    assert store.ingestions() == []
