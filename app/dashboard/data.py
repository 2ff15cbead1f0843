"""What the dashboard shows, as JSON. Ids are text: a browser's numbers are exact to 2^53 only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import (
    Attempt,
    Batch,
    BatchError,
    Estimate,
    FailureFilter,
    Found,
    Quote,
    Search,
    Stats,
    Status,
    WorkerReport,
    grouped,
    id_prefix,
    ingestion_document,
    string_fault,
    timestamp,
)
from ..service import Service
from ..web import (
    callback_document,
    estimate_document,
    failures_document,
    queue_document,
    sweep_document,
)
from .alerts import alerts
from .hour import hour_document
from .lanes import latest_attempts, timeline

_NEXT = 10
"""Upcoming batches shown."""

_CALLERS = 20
"""Callers shown."""

_IDS = 5
"""Ids shown of a batch."""

_SWEEPS = 5
"""Sweeps shown."""

_NAMED = 5
"""Ingestions shown whose id begins with what is looked for."""

_DATA = 200
"""Characters shown of what an id brought."""

_GROUPS = 50
"""Groups of failures shown."""

_LOG = 1000
"""Entries of the dispatch log in which the latest starts of an ingestion are looked for."""

BATCHES = 50
"""Batches on a page of an ingestion."""

_SCAN = 1000
"""Batches read at once in search of a failed one."""


def state(service: Service, stats: Stats | None = None) -> dict[str, Any]:
    """Returns what every page shows: the time, and what is wrong."""
    stats = stats or service.stats()
    return {
        "now": timestamp(stats.now),
        "worker": service.worker.state,
        "paused": stats.paused,
        "stalled": stats.stalled,
        "alerts": alerts(service, stats),
    }


def queue(service: Service, scope: str | None) -> dict[str, Any]:
    """Returns the whole queue; with a `scope`, only that owner's among the next batches."""
    stats = service.stats()
    upcoming = service.store.upcoming(_NEXT)
    next_dispatch_at = next_dispatch(stats, upcoming)
    if scope is not None:
        upcoming = service.store.upcoming(_NEXT, owner=scope)
    workers = service.workers()
    callers = service.store.callers(_CALLERS, owner=scope)
    document = queue_document(service, stats, (), workers, callers, scope)
    document.update(state(service, stats))
    for priority, depth in stats.depths.items():
        document["priorities"][priority.name]["drained_at"] = expected(stats, depth.drained_at)
    document["slots"] = slots(service, stats, workers)
    document["failed"] = stats.failed
    document["scoped"] = scope is not None
    document["next_dispatch_at"] = next_dispatch_at
    document["next_retry_at"] = timestamp(stats.next_retry_at)
    document["next"] = [
        {**_batch(batch), "ingestion_id": batch.ingestion_id, "estimated_start": expected(stats, start)}
        for batch, start in upcoming
    ]
    document["hour"] = hour_document(service.store.minutes(), stats, service.settings)
    return document


def ingestion(service: Service, ingestion_id: str, offset: int, only: Status | None = None) -> dict[str, Any]:
    """Returns one ingestion with a page of its batches, of those in a status if given. Raises UnknownIngestion."""
    found, estimate, batches = service.store.status(ingestion_id, offset, BATCHES, only=only)
    stats = service.stats()
    document = {**state(service, stats), **ingestion_document(found)}
    if estimate:
        document.update(expectation(stats, estimate))
    callback = service.latest_callback(ingestion_id)
    document["callback"] = callback and callback_document(callback)
    some = list(batches)
    document["batches"] = [_batch(batch) for batch in some]
    held_by = stats.holds(found.priority, found.owner)
    document["timeline"] = timeline(found, some, *_attempts(service, found.id, some), stats.now, held_by)
    document["offset"] = offset
    document["page_size"] = BATCHES
    document["listed"] = found.batch_count if only is None else found.counts._asdict()[only.value]
    return document


def _attempts(service: Service, ingestion_id: str, batches: Sequence[Batch]) -> tuple[float | None, Sequence[Attempt]]:
    """Returns the completion as estimated at submission, and the attempts at some batches that are kept.

    Without ATTEMPTS_KEPT these are the latest ones, of those that are still in the dispatch log.
    """
    if not service.settings.attempts_kept:
        return service.store.attempts(ingestion_id, 0, 0)[1], latest_attempts(batches, service.store.dispatches(_LOG))
    first = batches[0].position if batches else 0
    if not batches or batches[-1].position - first < len(batches):
        return service.store.attempts(ingestion_id, first, len(batches))[1:]
    # Those in one status may be far apart.
    told = [service.store.attempts(ingestion_id, batch.position, 1) for batch in batches]
    return told[0][1], [attempt for _, _, made in told for attempt in made]


def search(service: Service, text: str, scope: str | None) -> dict[str, Any]:
    """Returns the ingestions whose id begins with `text`, where the id that it writes is, and what was searched."""
    prefix, possible = id_prefix(text), string_fault(text) is None
    named = service.store.find(prefix, owner=scope, limit=_NAMED) if prefix else []
    document: dict[str, Any] = {"ingestions": [one.id for one in named], "found": [], "more": False, "searched": 0}
    if not possible:
        return document | {"extent": "This cannot be an id."}
    told = service.where(text, owner=scope)
    stats = service.stats()
    return document | {
        "found": [_found(one, stats) for one in told.found],
        "more": told.more,
        "searched": told.searched,
        "extent": _extent(told),
    }


def _found(found: Found, stats: Stats) -> dict[str, Any]:
    answer = found.answer
    return {
        **ingestion_document(found.ingestion),
        "batch": _batch(found.batch),
        "nth": found.nth,
        "page": found.batch.position - found.batch.position % BATCHES,
        "estimated_start": expected(stats, found.start),
        "data": answer[:_DATA] if isinstance(answer, str) else None,
        "error": answer._asdict() if isinstance(answer, BatchError) else None,
    }


def _extent(told: Search) -> str:
    """Returns what was searched, in words."""
    if told.complete:
        return "Every ingestion that is remembered was searched."
    unfinished = "All" if told.unfinished else "Some of the"
    since = timestamp(told.since)
    return f"{unfinished} unfinished ingestions were searched, and those submitted since {since}; FIND_IDS finds all."


def failures(service: Service, where: FailureFilter) -> dict[str, Any]:
    """Returns the groups of failures, those that failed last."""
    groups, following = grouped(service.store.failures(where), _GROUPS)
    return failures_document(groups, following)


def sweeps(service: Service, *, shown: bool) -> dict[str, Any]:
    """Returns the latest redrives and cancels of all that match, which are an operator's business."""
    latest = service.store.sweeps.latest(_SWEEPS) if shown else ()
    return {"sweeps": [sweep_document(sweep) for sweep in latest]}


def next_failed(service: Service, ingestion_id: str, position: int) -> int | None:
    """Returns the position of the ingestion's next failed batch from `position` on. Raises UnknownIngestion."""
    while True:
        _, batches = service.store.batches(ingestion_id, position, _SCAN)
        for run in batches.runs():  # a failed batch has an error, and so is no part of a run
            if isinstance(run, Batch) and run.status is Status.FAILED:
                return run.position
        if len(batches) < _SCAN:
            return None
        position += _SCAN


def slots(service: Service, stats: Stats, workers: Sequence[WorkerReport]) -> int:
    """Returns how many batches all workers may run at once; this process's, before it first reports, as configured."""
    return sum(one.slots for one in workers) or (0 if stats.stalled else service.settings.concurrency)


def expected(stats: Stats, moment: float | None) -> str | None:
    """Returns a time to come as a page shows it; None while the queue is stalled, for nobody knows when that ends."""
    return None if stats.stalled else timestamp(moment)


def expectation(stats: Stats, estimate: Estimate | Quote) -> dict[str, Any]:
    """Returns the estimate of an ingestion or a request, with its times as `expected`."""
    times = {
        "estimated_start": expected(stats, estimate.start),
        "estimated_completion": expected(stats, estimate.completion),
    }
    return estimate_document(estimate) | times


def next_dispatch(stats: Stats, upcoming: Sequence[tuple[Batch, float | None]]) -> str | None:
    """Returns when the next batch should start; None where nothing waits, or nothing may start."""
    if upcoming:
        return expected(stats, upcoming[0][1])
    if stats.paused or stats.next_retry_at is None:
        return None
    return expected(stats, max(stats.next_retry_at, stats.next_token_at, stats.hold_until or 0.0))


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "batch_id": batch.id,
        "position": batch.position,
        "priority": batch.priority.name,
        "status": batch.status.value,
        "attempts": batch.attempt,
        "started_at": timestamp(batch.started_at),
        "finished_at": timestamp(batch.finished_at),
        "next_attempt_at": timestamp(batch.next_attempt_at),
        "ids": [str(one) for one in batch.ids[:_IDS]],
        "id_count": len(batch.ids),
        "error": batch.error._asdict() if batch.error else None,
    }
