"""What the API says to those who operate the queue, as JSON. New members are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..config import Settings
from ..core import (
    Audit,
    Batch,
    CallerDepth,
    Concurrency,
    Dispatch,
    Rates,
    Run,
    Stats,
    Sweep,
    WorkerReport,
    most_concurrency,
    timestamp,
)
from ..service import Service

_RUNS = 100
"""Batches in process that the queue's page shows."""


def sweep_document(sweep: Sweep) -> dict[str, Any]:
    return {
        "sweep_id": sweep.id,
        "verb": sweep.verb,
        "filter": sweep.where.document(),
        "by": sweep.by,
        "state": "running" if sweep.finished_at is None else "finished",
        "matched": sweep.matched,
        "acted": sweep.acted,
        "created_at": timestamp(sweep.created_at),
        "finished_at": timestamp(sweep.finished_at),
    }


def worker_document(worker: WorkerReport, runs: Iterable[Run] = ()) -> dict[str, Any]:
    """Returns a worker, and those of the batches in process that it runs."""
    moments = {"started_at": timestamp(worker.started_at), "seen_at": timestamp(worker.seen_at)}
    return worker._asdict() | moments | {"runs": [_run_document(one) for one in runs if one.worker == worker.id]}


def _run_document(run: Run) -> dict[str, Any]:
    return {
        "batch_id": run.batch_id,
        "ingestion_id": run.ingestion_id,
        "attempt": run.attempt,
        "started_at": timestamp(run.started_at),
    }


def queue_document(
    service: Service,
    stats: Stats,
    upcoming: Iterable[tuple[Batch, float | None]],
    workers: Iterable[WorkerReport],
    callers: Iterable[CallerDepth],
    scope: str | None,
) -> dict[str, Any]:
    """Returns the state of the queue; `callers` have something waiting, where they take turns.

    Whoever may see only what belongs to `scope` sees no other callers, no `workers` and nothing of what they run:
    hosts and processes are an operator's business.
    """
    settings = service.settings
    simulated = {"simulated": True} if service.simulates else {}
    shown, runs = (workers, service.store.runs(_RUNS)) if scope is None else ((), ())
    return {
        "now": timestamp(stats.now),
        "worker": service.worker.state,
        **simulated,
        "waiting_on": stats.waiting_on,
        "stalled": stats.stalled,
        "paused": stats.paused,
        "paused_owners": [owner for owner in sorted(stats.pauses.owners) if scope in (None, owner)],
        "hold_until": timestamp(stats.hold_until),
        "tokens": stats.tokens,
        "next_token_at": timestamp(stats.next_token_at),
        "limits": [one._asdict() | {"next_at": timestamp(one.next_at)} for one in stats.limits],
        "binding_limit": stats.binding_limit,
        "slowed_to": stats.pace or None,
        "rate": rate_document(stats.rates, settings),
        "running": stats.running,
        "waiting": stats.waiting,
        "priorities": {
            priority.name: {
                "waiting": depth.waiting,
                "oldest_at": timestamp(depth.oldest_at),
                "drained_at": timestamp(depth.drained_at),
                "paused": priority in stats.pauses.priorities,
                "parked": depth.parked,
            }
            for priority, depth in stats.depths.items()
        },
        "service_seconds": stats.service_seconds,
        "estimate_error": stats.accuracy._asdict() if stats.accuracy else None,
        "next": [
            {
                "batch_id": batch.id,
                "ingestion_id": batch.ingestion_id,
                "ids": batch.ids,
                "priority": batch.priority.name,
                "estimated_start": timestamp(start),
            }
            for batch, start in upcoming
        ],
        "workers": [worker_document(one, runs) for one in shown],
        "concurrency": concurrency_document(stats.concurrency, settings, scope),
        "callers": [
            one._asdict() | {"priority": one.priority.name, "oldest_at": timestamp(one.oldest_at)} for one in callers
        ],
    }


def concurrency_document(concurrency: Concurrency, settings: Settings, scope: str | None) -> dict[str, Any]:
    """Returns how many batches a process may run at once; hosts and workers only for who may see everything."""
    some = dict(concurrency.some) if scope is None else {}
    return {
        "each": min(concurrency.each or settings.concurrency, most_concurrency(settings)),
        "some": some,
        "changed": bool(concurrency),
        "most": most_concurrency(settings),
    }


def rate_document(rates: Rates, settings: Settings) -> dict[str, Any]:
    """Returns the rate in force: limits as people write them, and since when (epoch seconds), 0 if never changed."""
    now = rates.apply(settings)
    return {
        "interval": now.interval,
        "burst": now.burst,
        "limits": list(rates.written(settings).values()),
        "changed": rates.changed,
        "rate_since": rates.since,
    }


def audit_document(page: Sequence[Audit], limit: int) -> dict[str, Any]:
    """Returns a page of the audit log and the cursor of the next one."""
    return {
        "entries": [one._asdict() | {"at": timestamp(one.at)} for one in page],
        "next_cursor": str(page[-1].number) if len(page) == limit else None,
    }


def dispatch_document(dispatch: Dispatch) -> dict[str, Any]:
    """Returns a dispatch with its times in epoch seconds, so that they compare to the last digit."""
    told = dispatch._asdict()
    if dispatch.rode_with is None:
        del told["rode_with"]
    return {
        **told,
        "priority": dispatch.priority.name,
        "wait": dispatch.started_at - dispatch.due_at,
    }
