"""Which worker runs what, right now."""

from __future__ import annotations

from collections.abc import Callable

from app.core import BatchError, Run, WorkerReport
from app.store import Store
from tests.support.clock import START, FakeClock
from tests.support.queueing import bury, claimed, finish, submit

New = Callable[..., Store]


def report(store: Store, worker_id: str) -> None:
    store.report(WorkerReport(worker_id, "here", 1, "1", 4, 0, 0))


def test_what_is_in_process_is_told_until_it_ends(new_store: New, clock: FakeClock) -> None:
    store = new_store(interval=0)
    report(store, "one")
    assert store.runs(9) == []
    ingestion = submit(store, [1, 2, 3, 4])
    (first,) = claimed(store)
    clock.advance(1)
    (second,) = claimed(store)
    told = [Run("one", one.batch.id, ingestion.id, 1, one.claimed_at) for one in (first, second)]
    assert store.runs(9) == told
    assert told[0].started_at == START
    assert store.runs(1) == told[:1]
    finish(store, first)
    assert store.runs(9) == told[1:]
    bury(store, second, BatchError("E", "boom"))
    assert store.runs(9) == []
    store.redrive(ingestion.id)
    assert store.runs(9) == []
    (again,) = claimed(store)
    assert store.runs(9) == [Run("one", second.batch.id, ingestion.id, 1, again.claimed_at)]


def test_before_the_worker_reports_nobody_is_named(new_store: New) -> None:
    store = new_store(interval=0)
    ingestion = submit(store, [1])
    (claim,) = claimed(store)
    assert store.runs(9) == [Run(None, claim.batch.id, ingestion.id, 1, claim.claimed_at)]
