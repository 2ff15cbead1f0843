"""What the API says, as JSON. New members are only ever added."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from ..callbacks import Callback, CallbackState
from ..config import Settings
from ..core import (
    Attempt,
    Audit,
    Batch,
    BatchError,
    Batches,
    CallerDepth,
    Concurrency,
    Dispatch,
    Estimate,
    Failure,
    Found,
    Group,
    Id,
    Ingestion,
    Priority,
    Quote,
    Rates,
    Search,
    Spot,
    Stats,
    Strings,
    Sweep,
    WorkerReport,
    batch_id,
    batch_id_parts,
    dumps,
    ingestion_document,
    most_concurrency,
    timestamp,
)

T = TypeVar("T")

_LINES = 1000
"""Lines of results, or batches, written at a time."""

_MANY = 30
"""Batches from which on it pays to look for runs of equal states."""


def listing_document(page: Sequence[Ingestion], limit: int) -> dict[str, Any]:
    """Returns a page of ingestions and the cursor of the next one, None where the page holds fewer than `limit`."""
    return {
        "ingestions": [ingestion_document(ingestion) for ingestion in page],
        "next_cursor": str(page[-1].order) if len(page) == limit else None,
    }


def failures_document(groups: Sequence[Group], following: Spot | None) -> dict[str, Any]:
    """Returns a page of groups of failures; `following` is where the next one begins, None for the last."""
    cursor = None if following is None else "_".join(map(repr, following))
    return {"groups": [_group_document(group) for group in groups], "next_cursor": cursor}


def _group_document(group: Group) -> dict[str, Any]:
    latest = group.latest
    return {
        "group": group.key.id,
        "type": group.key.type,
        "message": group.key.message,
        "count": group.count,
        "first_at": timestamp(group.first_at),
        "last_at": timestamp(latest.at),
        "sample": {
            "ingestion_id": latest.ingestion_id,
            "batch_id": latest.batch_id,
            "error": latest.error._asdict(),
        },
        "ingestions": group.ingestions,
    }


def failure_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """Yields a line of NDJSON for each id that failed, those of many batches at a time."""
    for some in _some(failures, _LINES // 10):
        yield "".join(
            f'{{"id":{dumps(id_)},"ingestion_id":"{one.ingestion_id}","batch_id":"{one.batch_id}",'
            f'"failed_at":"{timestamp(one.at)}","error":{dumps(error._asdict())}}}\n'
            for one in some
            for id_, error in one.ids
        )


def _some(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """Yields items, `count` at a time."""
    rest = iter(items)
    while some := list(islice(rest, count)):
        yield some


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


def search_text(text: str, search: Search) -> str:
    """Returns the JSON text of where an id is."""
    found = ",".join(map(_found_text, search.found))
    rest = {
        "more": search.more,
        "complete": search.complete,
        "searched": search.searched,
        "all_unfinished": search.unfinished,
        "searched_since": timestamp(search.since),
    }
    return f'{{"id":{dumps(text)},"found":[{found}],{dumps(rest)[1:]}'


def _found_text(found: Found) -> str:
    ingestion, start = dumps(ingestion_document(found.ingestion)), dumps(timestamp(found.start))
    result = "null" if found.answer is None else f"{{{_told(found.answer)}}}"
    batch = _batch_text(found.batch)
    return f'{{"ingestion":{ingestion},"batch":{batch},"estimated_start":{start},"result":{result}}}'


def _told(answer: str | BatchError) -> str:
    """Returns the member that tells the answer of an id."""
    return f'"data":{answer}' if isinstance(answer, str) else f'"error":{dumps(answer._asdict())}'


def estimate_document(estimate: Estimate | Quote) -> dict[str, Any]:
    told = {
        "batches_ahead": estimate.batches_ahead,
        "estimated_start": timestamp(estimate.start),
        "estimated_completion": timestamp(estimate.completion),
    }
    return told | {"at_latest": True} if estimate.at_latest else told


def callback_document(callback: Callback) -> dict[str, Any]:
    pending = callback.state is CallbackState.PENDING
    return {
        "id": callback.id,
        "state": callback.state.value,
        "attempts": callback.attempts,
        "error": callback.error,
        "next_attempt_at": timestamp(callback.at) if pending else None,
    }


def status_head(ingestion: Ingestion, estimate: Estimate | None, callback: Callback | None) -> str:
    """Returns the start of the JSON text of a status page: everything but the batches."""
    # The text does not hold the next change, which is the present while a batch runs.
    return _status_head(ingestion, estimate._replace(next_change=None) if estimate else None, callback)


@functools.lru_cache(1024)  # A poll mostly finds nothing changed: 10 % of a status request on granian.
def _status_head(ingestion: Ingestion, estimate: Estimate | None, callback: Callback | None) -> str:
    document = ingestion_document(ingestion)
    if estimate:
        document.update(estimate_document(estimate))
    if callback:
        document["callback"] = callback_document(callback)
    return dumps(document)[:-1]


def status_page(head: str, batches: Batches) -> list[str]:
    """Returns the JSON text of a status page in parts, since a page may have 100,000 batches."""
    if len(batches) < _MANY:
        return [f'{head},"batches":[{",".join(map(_batch_text, batches))}]}}']
    parts = [f'{head},"batches":[', *_batch_texts(batches)]
    parts[-1] = f"{parts[-1][:-1]}]}}"
    return parts


def _batch_texts(batches: Batches) -> Iterator[str]:
    """Yields the JSON texts of batches, each with a comma; a run of equal states from one template, 6 times as fast."""
    start, numbers = batch_id_parts(batches.ingestion_id)
    size = batches.batch_size
    strings = isinstance(batches.ids, Strings)
    places = ", ".join(["%s" if strings else "%d"] * size)
    for run in batches.runs():
        if isinstance(run, Batch):
            yield f"{_batch_text(run)},"
            continue
        members, status, attempt = run
        moments = [] if not attempt else [batches.started, batches.finished] if status.final else [batches.started]
        told = _moments(*["%s"] * len(moments))
        template = f'{{"batch_id":"{start}%012x","ids":[{places}],"status":"{status}"{_attempts(attempt)}{told}}},'
        for at in range(members.start, members.stop, _LINES):
            some = members[at - members.start :][:_LINES]
            part = batches.ids[some.start * size : some.stop * size]
            ids = map(dumps, part) if strings else iter(part)
            times = [map(timestamp, moment[some.start : some.stop]) for moment in moments]
            values = zip(numbers(batches.positions[some.start : some.stop]), *[ids] * size, *times, strict=True)
            yield template * len(some) % tuple(chain.from_iterable(values))


def _batch_text(batch: Batch) -> str:
    error = f',"error":{dumps(batch.error._asdict())}' if batch.error else ""
    moments = _moments(*map(timestamp, (batch.started_at, batch.finished_at, batch.next_attempt_at)))
    rest = f"{_attempts(batch.attempt)}{moments}{error}"
    ids = batch.ids if isinstance(batch.ids[0], int) else dumps(batch.ids)
    return f'{{"batch_id":"{batch.id}","ids":{ids},"status":"{batch.status}"{rest}}}'


def _attempts(attempt: int) -> str:
    return f',"attempts":{attempt}' if attempt else ""


def _moments(started: str | None = None, finished: str | None = None, next_attempt: str | None = None) -> str:
    text = f',"started_at":"{started}"' if started else ""
    if finished:
        text += f',"finished_at":"{finished}"'
    return f'{text},"next_attempt_at":"{next_attempt}"' if next_attempt else text


def attempts_document(
    settings: Settings,
    stats: Stats,
    ingestion: Ingestion,
    estimate: float | None,
    attempts: Iterable[Attempt],
    *,
    with_hosts: bool,
) -> dict[str, Any]:
    """Returns the attempts at an ingestion's batches, and what those wait for that have yet to start.

    `with_hosts` says where each ran, which is not everybody's.
    """
    waits = ingestion.counts.yet_to_start > 0
    return {
        "ingestion_id": ingestion.id,
        "created_at": timestamp(ingestion.created_at),
        "started_at": timestamp(ingestion.started_at),
        "finished_at": timestamp(ingestion.finished_at),
        "estimated_at_submission": timestamp(estimate),
        "waiting_on": stats.holds(ingestion.priority, ingestion.owner) if waits else None,
        "kept": settings.attempts_kept,
        "attempts": [_attempt_document(ingestion.id, one, with_hosts=with_hosts) for one in attempts],
    }


def _attempt_document(ingestion_id: str, attempt: Attempt, *, with_hosts: bool) -> dict[str, Any]:
    return {
        "batch_id": batch_id(ingestion_id, attempt.position),
        "position": attempt.position,
        "attempt": attempt.number,
        "due_at": timestamp(attempt.due_at),
        "limited_by": attempt.limited_by,
        "started_at": timestamp(attempt.started_at),
        "ended_at": timestamp(attempt.ended_at),
        "outcome": attempt.outcome,
        "error": attempt.error and attempt.error._asdict(),
        "host": attempt.host if with_hosts else None,
        "process": attempt.process if with_hosts else None,
    }


def quote_document(quotes: dict[Priority, Quote]) -> dict[str, Any]:
    return {priority.name: estimate_document(quote) for priority, quote in quotes.items()}


def worker_document(worker: WorkerReport) -> dict[str, Any]:
    moments = {"started_at": timestamp(worker.started_at), "seen_at": timestamp(worker.seen_at)}
    return worker._asdict() | moments


def queue_document(
    settings: Settings,
    stats: Stats,
    upcoming: Iterable[tuple[Batch, float | None]],
    worker: str,
    workers: Iterable[WorkerReport],
    scope: str | None,
    callers: Iterable[CallerDepth] = (),
) -> dict[str, Any]:
    """Returns the state of the queue; `worker` is the state of this process's, `workers` are those of all.

    `callers` have something waiting, where they take turns. Who may see only what belongs to `scope` is told of no
    other callers.
    """
    return {
        "now": timestamp(stats.now),
        "worker": worker,
        "waiting_on": stats.waiting_on,
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
        "waiting": sum(depth.waiting for depth in stats.depths.values()),
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
        "workers": [worker_document(one) for one in workers],
        "concurrency": concurrency_document(stats.concurrency, settings, scope),
        "callers": [
            one._asdict() | {"priority": one.priority.name, "oldest_at": timestamp(one.oldest_at)} for one in callers
        ],
    }


def concurrency_document(concurrency: Concurrency, settings: Settings, scope: str | None) -> dict[str, Any]:
    """Returns how many batches a process may run at once; hosts and workers only for who may see everything."""
    some = dict(concurrency.some) if scope is None else {}
    return {
        "each": concurrency.each or settings.concurrency,
        "some": some,
        "changed": bool(concurrency),
        "most": most_concurrency(settings),
    }


def rate_document(rates: Rates, settings: Settings) -> dict[str, Any]:
    """Returns the rate in force: limits as people write them, and since when (epoch seconds), 0 if never changed."""
    now = rates.apply(settings)
    limits = [rates.limits.get(one.name, one.name) for one in settings.limits]
    return {
        "interval": now.interval,
        "burst": now.burst,
        "limits": limits,
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


def result_lines(results: Iterable[tuple[Id, str | BatchError]]) -> Iterator[str]:
    """Yields NDJSON, many lines at a time."""
    lines: list[str] = []
    for id_, told in results:
        lines.append(f'{{"id":{id_ if isinstance(id_, int) else dumps(id_)},{_told(told)}}}\n')
        if len(lines) == _LINES:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)
