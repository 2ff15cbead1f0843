"""An example of each request and each answer, for the API's description: five ids, of which three are at work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config import Settings
from ..core import BatchError, Failure, Id, Priority
from ..naming import release
from .documents import failure_lines, result_lines
from .schemas import JSON, some_ids

INGESTION = "8889ca6d-5480-4139-b43e-d3e27fabaab1"
_FIRST = "8889ca6d-5480-8139-b43e-d3e27fabaab2"
_SECOND = "8889ca6d-5480-8139-b43e-d3e27fabaab3"

_CREATED = "2027-01-15T08:00:00.000Z"
_STARTED = "2027-01-15T08:00:01.000Z"
_NEXT = "2027-01-15T08:00:06.000Z"
_END = "2027-01-15T08:00:07.500Z"

_NONE = {"yet_to_start": 0, "triggered": 0, "completed": 0, "failed": 0, "cancelled": 0}

_INGESTION = {
    "ingestion_id": INGESTION,
    "status": "triggered",
    "priority": "HIGH",
    "id_count": 5,
    "batch_count": 2,
    "counts": _NONE | {"yet_to_start": 1, "triggered": 1},
    "created_at": _CREATED,
    "started_at": _STARTED,
    "finished_at": None,
}
_FORECAST = {"batches_ahead": 0, "estimated_start": _NEXT, "estimated_completion": _END}
_WAITING = {"batch_id": _SECOND, "ids": [4, 5], "status": "yet_to_start"}
_STATUS = {
    **_INGESTION,
    **_FORECAST,
    "batches": [
        {"batch_id": _FIRST, "ids": [1, 2, 3], "status": "triggered", "attempts": 1, "started_at": _STARTED},
        _WAITING,
    ],
}
_CANCELLED = {
    **_STATUS,
    "counts": _NONE | {"triggered": 1, "cancelled": 1},
    "estimated_start": None,
    "estimated_completion": "2027-01-15T08:00:02.500Z",
    "batches": [],
}
_TOLD_AGAIN = {
    **_INGESTION,
    "status": "completed",
    "counts": _NONE | {"completed": 2},
    "finished_at": _END,
    "callback": {
        "id": "msg_5f1c8f0e2c6b4d0f9a7d3b1e8c4a6f20",
        "state": "pending",
        "attempts": 21,
        "error": None,
        "next_attempt_at": "2027-01-16T08:30:00.000Z",
    },
    "batches": [],
}
_MOVED = {**_STATUS, "priority": "LOW", "batches_ahead": 12, "batches": []}
_REDRIVEN = {
    **_STATUS,
    "counts": _NONE | {"yet_to_start": 1, "completed": 1},
    "batches": [],
}

_UPCOMING = {
    "batch_id": _SECOND,
    "ingestion_id": INGESTION,
    "ids": [4, 5],
    "priority": "HIGH",
    "estimated_start": _NEXT,
}
_IDLE = {"waiting": 0, "oldest_at": None, "drained_at": None, "paused": False, "parked": 0}
_DEPTH = _IDLE | {"waiting": 1, "oldest_at": _CREATED, "drained_at": _END}
_RATE = {"interval": 5.0, "burst": 1, "limits": [], "changed": False, "rate_since": 0.0}
_AUDIT = {
    "number": 1,
    "at": _STARTED,
    "by": "importer",
    "action": "pause",
    "subject": "",
    "before": {"paused": False},
    "after": {"paused": True},
}
_CONCURRENCY = {"each": 4, "some": {}, "changed": False, "most": 4}
_RUN = {"batch_id": _FIRST, "ingestion_id": INGESTION, "attempt": 1, "started_at": _STARTED}
_QUEUE = {
    "now": _STARTED,
    "worker": "running",
    "waiting_on": "token",
    "stalled": False,
    "paused": False,
    "paused_owners": [],
    "hold_until": None,
    "tokens": 0,
    "next_token_at": _NEXT,
    "limits": [],
    "binding_limit": None,
    "slowed_to": None,
    "rate": _RATE,
    "running": 1,
    "waiting": 1,
    "priorities": {"HIGH": _DEPTH, "MEDIUM": _IDLE, "LOW": _IDLE},
    "service_seconds": 1.5,
    "estimate_error": {"ingestions": 40, "mean": 0.3, "p95": 1.1},
    "next": [_UPCOMING],
    "workers": [
        {
            "id": "0b7f2a3c-91d4-4c55-8e6a-2f10c7d9e483",
            "host": "ingest-1",
            "process": 4711,
            "version": release(),
            "slots": 4,
            "busy": 1,
            "abandoned": 0,
            "started_at": "2027-01-15T07:00:00.000Z",
            "seen_at": _CREATED,
            "runs": [_RUN],
        }
    ],
    "concurrency": _CONCURRENCY,
    "callers": [{"name": "importer", "priority": "HIGH", "waiting": 1, "oldest_at": _CREATED, "parked": 0}],
}
_PAUSED = {
    **_QUEUE,
    "waiting_on": "paused",
    "paused": True,
    "priorities": {"HIGH": {**_DEPTH, "drained_at": None}, "MEDIUM": _IDLE, "LOW": _IDLE},
    "next": [{**_UPCOMING, "estimated_start": None}],
}

_ERROR = BatchError("UpstreamError", "GET https://api.example.org/records/4711 answered 503: try later")
SWEEP = "3b1a1f0e-7c55-4a8e-9d0b-5a6c7d8e9f01"
_SWEEP = {
    "sweep_id": SWEEP,
    "verb": "redrive",
    "filter": {"status": "failed", "since": _CREATED},
    "by": None,
    "state": "running",
    "matched": 1200,
    "acted": 350,
    "created_at": _STARTED,
    "finished_at": None,
}
_GROUP = {
    "group": "6c05ea42b4a8",
    "type": _ERROR.type,
    "message": "GET https://api.example.org/records/… answered 503: try later",
    "count": 1,
    "first_at": _STARTED,
    "last_at": _STARTED,
    "sample": {"ingestion_id": INGESTION, "batch_id": _FIRST, "error": _ERROR._asdict()},
    "ingestions": [INGESTION],
}

_FOUND = {
    "ingestion": _INGESTION,
    "batch": _WAITING,
    "estimated_start": _NEXT,
    "result": None,
}
_ALL = {"more": False, "complete": True, "searched": 1, "all_unfinished": True, "searched_since": None}

_ATTEMPTS = {
    "ingestion_id": INGESTION,
    "created_at": _CREATED,
    "started_at": _STARTED,
    "finished_at": None,
    "estimated_at_submission": _END,
    "waiting_on": "token",
    "kept": 5,
    "attempts": [
        {
            "batch_id": _FIRST,
            "position": 0,
            "attempt": 1,
            "due_at": _CREATED,
            "limited_by": "token",
            "started_at": _STARTED,
            "ended_at": None,
            "outcome": None,
            "error": None,
            "host": "ingest-1",
            "process": 4711,
        }
    ],
}

_DISPATCH = {
    "started_at": 1800000001.0,
    "due_at": 1800000000.0,
    "batch_id": _FIRST,
    "ingestion_id": INGESTION,
    "position": 0,
    "attempt": 1,
    "priority": "HIGH",
    "rank": 1.0,
    "order": 1,
    "limited_by": "token",
    "owner": "importer",
    "wait": 1.0,
}

_HEALTH = {"status": "ok", "worker": "running"}

_LATER = {
    "batches_ahead": 12,
    "estimated_start": "2027-01-15T08:01:01.000Z",
    "estimated_completion": "2027-01-15T08:01:07.500Z",
}


def _failure(id_: Id) -> Failure:
    return Failure((1_800_000_001.0, 1, 0), INGESTION, Priority.HIGH, None, _ERROR, [(id_, _ERROR)])


def answers(settings: Settings) -> dict[str, Any]:
    """Returns the answer to each operation by its name, as JSON or text."""
    keyed = bool(settings.api_keys)
    owner = {"owner": "importer"} if keyed else {}
    caller = {"name": "importer", "role": "submit"} if keyed else {"name": None, "role": "operate"}
    ids: Sequence[Id] = some_ids(settings)
    results = zip(ids, ['{"name":"record 1"}', "null", "null"], strict=False)
    examples: dict[str, Any] = {
        "submit": {"ingestion_id": INGESTION},
        "quote": {"HIGH": _FORECAST, "MEDIUM": _FORECAST, "LOW": _LATER},
        "getStatus": _STATUS | owner,
        "getResults": "".join(result_lines(results)),
        "listAttempts": _ATTEMPTS,
        "listIngestions": {"ingestions": [_INGESTION | owner], "next_cursor": None},
        "where": {"id": str(ids[3]), "found": [_FOUND | {"ingestion": _INGESTION | owner}], **_ALL},
        "redriveAll": _SWEEP | {"by": owner.get("owner")},
        "cancelAll": {"ingestions": 12, "batches": 340},
        "listSweeps": {"sweeps": [_SWEEP]},
        "getSweep": _SWEEP,
        "listFailures": {"groups": [_GROUP], "next_cursor": None},
        "listFailedIds": "".join(failure_lines([_failure(ids[0])])),
        "cancel": _CANCELLED | owner,
        "redrive": _REDRIVEN | owner,
        "move": _MOVED | owner,
        "redriveCallback": _TOLD_AGAIN | owner,
        "pause": _PAUSED,
        "resume": _QUEUE,
        "endHold": _QUEUE,
        "changeRate": _QUEUE | {"rate": _RATE | {"interval": 10.0, "changed": True, "rate_since": 1800000000.0}},
        "resetRate": _QUEUE,
        "changeConcurrency": _QUEUE | {"concurrency": _CONCURRENCY | {"each": 2, "changed": True}},
        "resetConcurrency": _QUEUE,
        "getAudit": {"entries": [_AUDIT], "next_cursor": None},
        "getQueue": _QUEUE,
        "listDispatches": {**_RATE, "fair": None, "order_since": 0.0, "dispatches": [_DISPATCH]},
        "getMetrics": "# HELP ingestion_paused Whether the queue is paused.\n# TYPE ingestion_paused gauge\n"
        'ingestion_paused{queue="ingest"} 0.0\n',
        "isLive": _HEALTH,
        "isReady": _HEALTH,
        "whoAmI": caller,
        "signIn": caller,
        "getDescription": {"openapi": "3.1.0", "info": {"title": "Flask-Ingestion", "version": release()}, "paths": {}},
    }
    return {name: _with_ids(example, ids) for name, example in examples.items()}


def _with_ids(example: Any, ids: Sequence[Id]) -> Any:
    """Returns an example with `ids` in place of 1, 2 and so on."""
    if isinstance(example, list):
        return [_with_ids(member, ids) for member in example]
    if isinstance(example, dict):
        return {
            name: [ids[number - 1] for number in member] if name == "ids" else _with_ids(member, ids)
            for name, member in example.items()
        }
    return example


def requests(settings: Settings) -> JSON:
    """Returns each body of a request by the name of its schema; its ids are within the bounds of the settings."""
    ids: Sequence[Id] = some_ids(settings)
    if settings.id_type == "integer":
        first = min(max(1, settings.id_min), settings.id_max)
        ids = range(first, min(first + 4, settings.id_max) + 1)
    return {
        "Submission": {"ids": list(ids[: settings.max_ids]), "priority": "HIGH"},
        "RedriveAll": {"status": "failed", "since": 28_800},
        "CancelAll": {"priority": "LOW"},
        "Move": {"priority": "LOW"},
        "Concurrency": {"concurrency": 1},
        "Rate": {"interval": settings.interval or 1.0},
        "Login": {"key": "HJ8B0c5tVv1wQm3nZs6yXk9dRf2gLp4aUe7iTo0bCrE"},
    }
