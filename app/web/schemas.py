"""The parts of the API's description (OpenAPI 3.1): schemas, parameters and answers.

Schemas are JSON Schema 2020-12. Objects in answers are open, because members are only ever added.
"""

from __future__ import annotations

from typing import Any

from ..config import Settings
from ..core import Counts, Priority, Status

JSON = dict[str, Any]

_INT64_MAX = 2**63 - 1

_UUID: JSON = {"type": "string", "format": "uuid"}
_COUNT: JSON = {"type": "integer", "minimum": 0}
_TEXT: JSON = {"type": "string"}
_TIME: JSON = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: JSON = {"type": ["string", "null"], "format": "date-time"}
_NAME_OR_NULL: JSON = {"type": ["string", "null"]}
_SECONDS: JSON = {"type": "number"}
_PRIORITY: JSON = {"type": "string", "enum": [priority.name for priority in Priority]}
_STATUS: JSON = {"type": "string", "enum": [status.value for status in Status]}
_WORKER: JSON = {"type": "string", "enum": ["off", "running", "stopping", "stuck", "dead"]}
_ERROR: JSON = {
    "type": "object",
    "description": "Why the latest attempt did not end well.",
    "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
}


def ref(kind: str, name: str) -> JSON:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(properties: JSON, *optional: str, **more: Any) -> JSON:
    """Returns the schema of an object of which all members but the `optional` ones are required."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def _array(items: JSON) -> JSON:
    return {"type": "array", "items": items}


def schemas(settings: Settings) -> JSON:
    """Returns every schema by its name. The bounds of a request are those of the settings."""
    id_: JSON = {"type": "integer", "minimum": settings.id_min, "maximum": settings.id_max}
    ingestion: JSON = {
        "ingestion_id": _UUID,
        "status": _STATUS,
        "priority": _PRIORITY,
        "id_count": _COUNT,
        "batch_count": _COUNT,
        "counts": _object(dict.fromkeys(Counts._fields, _COUNT), description="Batches in each status."),
        "created_at": _TIME,
        "started_at": _TIME_OR_NULL,
        "finished_at": _TIME_OR_NULL,
        "owner": {"type": "string", "description": "The caller that submitted it, where there are keys."},
    }
    estimate: JSON = {
        "batches_ahead": _COUNT,
        "estimated_start": {**_TIME_OR_NULL, "description": "Null while paused, or where all that is left runs."},
        "estimated_completion": _TIME_OR_NULL,
    }
    batch: JSON = {
        "batch_id": _UUID,
        "ids": _array({"type": "integer"}),
        "status": _STATUS,
        "attempts": {"type": "integer", "minimum": 1},
        "started_at": {**_TIME, "description": "When the latest attempt began."},
        "finished_at": {**_TIME, "description": "When it completed or failed for good."},
        "next_attempt_at": {**_TIME, "description": "When a batch that waits for its retry is due again."},
        "error": _ERROR,
    }
    next_batch = {name: batch[name] for name in ("batch_id", "ids")}
    return {
        "Submission": {
            "type": "object",
            "required": ["ids", "priority"],
            "additionalProperties": False,
            "properties": {
                "ids": {"type": "array", "minItems": 1, "maxItems": settings.max_ids, "items": id_},
                "priority": _PRIORITY,
                "deadline": {
                    "description": "When it must be able to end, else it is refused: a time, or seconds from now.",
                    "anyOf": [
                        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e10},
                        _TIME,
                        {"type": "null"},
                    ],
                },
            },
            "example": {"ids": [1, 2, 3], "priority": "HIGH"},
        },
        "Accepted": _object({"ingestion_id": _UUID}),
        "Ingestion": _object(ingestion, "owner"),
        "Status": _object(
            {**ingestion, **estimate, "batches": _array(ref("schemas", "Batch"))},
            *("owner", *estimate),
            description="The ingestion with a page of its batches; the estimate is there until it has ended.",
        ),
        "Batch": _object(batch, "attempts", "started_at", "finished_at", "next_attempt_at", "error"),
        "Page": _object({"ingestions": _array(ref("schemas", "Ingestion")), "next_cursor": _NAME_OR_NULL}),
        "Quote": _object({priority.name: ref("schemas", "Estimate") for priority in Priority}),
        "Estimate": _object(estimate),
        "Queue": _object(
            {
                "now": _TIME,
                "worker": _WORKER,
                "waiting_on": {
                    "type": ["string", "null"],
                    "enum": ["paused", "hold", "empty", "retry", "slots", "token", None],
                },
                "paused": {"type": "boolean"},
                "hold_until": _TIME_OR_NULL,
                "tokens": _COUNT,
                "next_token_at": _TIME,
                "running": _COUNT,
                "waiting": _COUNT,
                "priorities": _object({priority.name: ref("schemas", "Depth") for priority in Priority}),
                "service_seconds": _SECONDS,
                "estimate_error": {
                    **_object({"ingestions": _COUNT, "mean": _SECONDS, "p95": _SECONDS}),
                    "type": ["object", "null"],
                },
                "next": _array(
                    _object(
                        {
                            **next_batch,
                            "ingestion_id": _UUID,
                            "priority": _PRIORITY,
                            "estimated_start": _TIME_OR_NULL,
                        }
                    )
                ),
                "workers": {
                    **_array(
                        _object(
                            {
                                "id": _UUID,
                                "host": _TEXT,
                                "process": _COUNT,
                                "version": _TEXT,
                                "slots": _COUNT,
                                "busy": _COUNT,
                                "abandoned": _COUNT,
                                "started_at": _TIME,
                                "seen_at": _TIME,
                            }
                        )
                    ),
                    "description": "Who works on this queue, as last reported; empty for keys that may not operate.",
                },
            }
        ),
        "Depth": _object({"waiting": _COUNT, "oldest_at": _TIME_OR_NULL, "drained_at": _TIME_OR_NULL}),
        "Dispatches": _object(
            {
                "interval": _SECONDS,
                "burst": {"type": "integer", "minimum": 1},
                "dispatches": _array(ref("schemas", "Dispatch")),
            }
        ),
        "Dispatch": _object(
            {
                "started_at": _SECONDS,
                "due_at": _SECONDS,
                "batch_id": _UUID,
                "ingestion_id": _UUID,
                "position": _COUNT,
                "attempt": {"type": "integer", "minimum": 1},
                "priority": _PRIORITY,
                "rank": {"type": "number"},
                "order": _COUNT,
                "limited_by": {"type": "string", "enum": ["arrival", "retry", "token", "hold", "paused", "slots"]},
                "wait": _SECONDS,
            },
            description="One start of a batch; times are seconds since the epoch.",
        ),
        "Health": _object({"status": {"const": "ok"}, "worker": _WORKER}),
        "Login": _object({"key": {"type": "string"}}, additionalProperties=False),
        "Caller": _object({"name": _NAME_OR_NULL, "role": {"type": "string", "enum": ["read", "submit", "operate"]}}),
        "Problem": _object(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What is wrong and what would be right."},
                "errors": {
                    "description": "Each thing that is wrong with the request.",
                    **_array(_object({"pointer": {"type": "string"}, "detail": {"type": "string"}})),
                },
                "earliest": {**_TIME, "description": "The soonest it could end, where a deadline cannot be met."},
            },
            *("errors", "earliest"),
            description="RFC 9457.",
        ),
    }


def _query(name: str, about: str, schema: JSON) -> JSON:
    return {"name": name, "in": "query", "description": about, "schema": schema}


def parameters() -> JSON:
    return {
        "ingestion_id": {
            "name": "ingestion_id",
            "in": "path",
            "required": True,
            "description": "An ingestion's id, an unambiguous beginning of it, or the id of one of its batches.",
            "schema": {"type": "string", "pattern": "^[0-9a-fA-F-]{1,36}$"},
        },
        "offset": _query("offset", "Batches to skip.", {**_COUNT, "maximum": _INT64_MAX}),
        "limit": _query("limit", "Batches at most; all where not given.", {**_COUNT, "maximum": _INT64_MAX}),
        "page": _query(
            "limit", "Ingestions at most.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50}
        ),
        "latest": _query("limit", "Dispatches at most.", {"type": "integer", "minimum": 1, "maximum": _INT64_MAX}),
        "cursor": _query("cursor", "The next_cursor of the page before.", {**_COUNT, "maximum": _INT64_MAX}),
        "status": _query("status", "Only those in this status.", _STATUS),
        "priority": _query("priority", "Only those of this priority.", _PRIORITY),
        "failed": _query(
            "failed", "Only those with failed batches, whatever their own status.", {"type": "string", "enum": ["true"]}
        ),
        "idempotency_key": {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Bare or quoted. A request repeated under a key is accepted once, with the same answer.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]([ -~]*[!#-~])?$"},
        },
        "if_none_match": {
            "name": "If-None-Match",
            "in": "header",
            "description": "The ETag of the answer before.",
            "schema": {"type": "string"},
        },
    }


_RETRY_AFTER: JSON = {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}
_ETAG: JSON = {"description": "Weak.", "required": True, "schema": {"type": "string"}}
_CHALLENGE: JSON = {"required": True, "schema": {"type": "string"}}

HEADERS: dict[str, JSON] = {
    "Retry-After": {**_RETRY_AFTER, "required": True},
    "Retry-After, if not ended": _RETRY_AFTER,
    "ETag": _ETAG,
    "Location": {
        "description": "The status page.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "WWW-Authenticate": _CHALLENGE,
}


def responses() -> JSON:
    """Returns the refusals, by their status code."""

    def refusal(about: str, **headers: JSON) -> JSON:
        content = {"application/problem+json": {"schema": ref("schemas", "Problem")}}
        return {"description": about, "content": content, **({"headers": headers} if headers else {})}

    challenge = {"WWW-Authenticate": _CHALLENGE}
    retry_after = {"Retry-After": _RETRY_AFTER}
    return {
        "400": refusal("The body is not JSON."),
        "401": refusal("No key was sent, or it is not one of the service's keys.", **challenge),
        "403": refusal("The key's role does not allow it, or a page of another site sent it."),
        "404": refusal("There is no such ingestion, it has been forgotten, or it is another caller's."),
        "409": refusal(
            "The ingestion's state rules it out, or the first request with this key is still being accepted.",
            **retry_after,
        ),
        "413": refusal("The body is too large."),
        "415": refusal("The body is not sent as application/json."),
        "422": refusal("The request is wrong, as errors lists; or the deadline cannot be met."),
        "429": refusal("The caller has as many ids waiting as it may.", **{"Retry-After": HEADERS["Retry-After"]}),
        "501": refusal("An extra is not installed."),
        "503": refusal("The queue is full, the store cannot be reached, or the worker is not running.", **retry_after),
    }
