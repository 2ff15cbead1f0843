"""The schemas in the API's description: JSON Schema 2020-12.

Objects in answers are open, because members are only ever added.
"""

from __future__ import annotations

from typing import Any

from ..callbacks import CallbackState
from ..config import Settings
from ..core import HOLDS, LONGEST, VERBS, Counts, Priority, Status, interval_bounds, most_burst, most_concurrency
from ..receivers import LONGEST as LONGEST_URL

JSON = dict[str, Any]

INT64_MAX = 2**63 - 1

UUID: JSON = {"type": "string", "format": "uuid"}
COUNT: JSON = {"type": "integer", "minimum": 0}
_TEXT: JSON = {"type": "string"}
_TIME: JSON = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: JSON = {"type": ["string", "null"], "format": "date-time"}
_NAME_OR_NULL: JSON = {"type": ["string", "null"]}
MOMENT: JSON = {"anyOf": [{"type": "number", "minimum": 0, "maximum": 9_999_999_999}, _TIME]}
_SECONDS: JSON = {"type": "number"}
PRIORITY: JSON = {"type": "string", "enum": [priority.name for priority in Priority]}
STATUS: JSON = {"type": "string", "enum": [status.value for status in Status]}
_WORKER: JSON = {"type": "string", "enum": ["off", "running", "stopping", "stuck", "dead"]}
_ERROR: JSON = {
    "type": "object",
    "description": "Why the latest attempt did not end well.",
    "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
}


_LIMITED_BY: JSON = {"type": "string", "enum": ["arrival", "retry", "token", "hold", "paused", "slots"]}
_FAIR: JSON = {
    "type": ["object", "null"],
    "additionalProperties": {"type": "integer", "minimum": 1},
    "description": "The weights of callers that have other than 1, where callers take turns; null where they do not.",
}
_IN_FORCE: JSON = {
    "interval": _SECONDS,
    "burst": {"type": "integer", "minimum": 1},
    "limits": {"type": "array", "items": _TEXT, "description": "LIMITS, as they are in force."},
    "changed": {"type": "boolean", "description": "Whether it differs from what is configured."},
    "rate_since": {**_SECONDS, "description": "When the rate was last changed, in epoch seconds; 0 if never."},
}


def ref(kind: str, name: str) -> JSON:
    return {"$ref": f"#/components/{kind}/{name}"}


def _object(properties: JSON, *optional: str, **more: Any) -> JSON:
    """Returns the schema of an object of which all members but the `optional` ones are required."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def _array(items: JSON) -> JSON:
    return {"type": "array", "items": items}


def _sweep(status: JSON) -> JSON:
    members: JSON = {
        "status": {**status, "description": "The ingestion's."},
        "priority": PRIORITY,
        "owner": {**_TEXT, "description": "Whose ingestions."},
        "group": {**_TEXT, "description": "Those with a failure of this group."},
        "since": {**MOMENT, "description": "Submitted then or later: a time, or seconds ago."},
        "until": {**MOMENT, "description": "Submitted then or earlier: a time, or seconds ago."},
        "failed": {"type": "boolean", "enum": [True], "description": "Those with failed batches."},
    }
    which = [{"required": [name]} for name in members]
    members["dry_run"] = {"type": "boolean", "description": "Only count."}
    return {"type": "object", "additionalProperties": False, "anyOf": which, "properties": members}


def _rate(settings: Settings) -> JSON:
    least, most = interval_bounds(settings)
    limits: JSON = {one.name: {**_TEXT, "example": one.name} for one in settings.limits}
    members: JSON = {
        "interval": {"type": ["number", "null"], "minimum": least, "maximum": most},
        "burst": {"type": ["integer", "null"], "minimum": 1, "maximum": most_burst(settings)},
        "limits": {"type": ["object", "null"], "properties": limits, "additionalProperties": False},
    }
    return _object(members, *members, additionalProperties=False)


def some_ids(settings: Settings) -> list[int] | list[str]:
    """Returns the ids of every example."""
    return [f"SKU-{number}" for number in range(1, 6)] if settings.id_type == "string" else [1, 2, 3, 4, 5]


def _id(settings: Settings) -> JSON:
    if settings.id_type == "integer":
        return {"type": "integer", "minimum": settings.id_min, "maximum": settings.id_max}
    about = "Printable characters, with no blank at the beginning or the end."
    return {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^\S(.*\S)?$", "description": about}


def _callback(settings: Settings) -> JSON:
    """Returns the member by which a submission names its receiver, where it may name one."""
    if not settings.webhook_hosts:
        return {}
    hosts = ", ".join(map(str, settings.webhook_hosts))
    about = f"An http or https URL that is sent the status when the ingestion ends; its host is one of {hosts}."
    return {"callback": {"type": ["string", "null"], "maxLength": LONGEST_URL, "description": about}}


def _fresh(settings: Settings) -> JSON:
    """Returns the member by which a submission asks for answers that are younger, where any are kept."""
    if settings.fresh is None:
        return {}
    about = "Seconds before the submission after which an answer counts; with 0, none from before it does."
    seconds = {"type": ["number", "null"], "minimum": 0, "maximum": settings.fresh, "default": settings.fresh}
    return {"fresh": {**seconds, "description": about}}


def schemas(settings: Settings) -> JSON:
    """Returns every schema by its name. The bounds of a request are those of the settings."""
    ingestion: JSON = {
        "ingestion_id": UUID,
        "status": STATUS,
        "priority": PRIORITY,
        "id_count": COUNT,
        "batch_count": COUNT,
        "counts": _object(dict.fromkeys(Counts._fields, COUNT), description="Batches in each status."),
        "created_at": _TIME,
        "started_at": _TIME_OR_NULL,
        "finished_at": _TIME_OR_NULL,
        "owner": {"type": "string", "description": "The caller that submitted it, where there are keys."},
        "served": {**COUNT, "description": "Ids that got their answer without a call, where FRESH is set."},
    }
    estimate: JSON = {
        "batches_ahead": COUNT,
        "estimated_start": {**_TIME_OR_NULL, "description": "Null while paused, or where all that is left runs."},
        "estimated_completion": _TIME_OR_NULL,
        "at_latest": {
            "type": "boolean",
            "description": "There, and true, with FILL or FRESH: it may be sooner.",
        },
    }
    batch: JSON = {
        "batch_id": UUID,
        "ids": _array({"type": settings.id_type}),
        "status": STATUS,
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
                "ids": {"type": "array", "minItems": 1, "maxItems": settings.max_ids, "items": _id(settings)},
                "priority": PRIORITY,
                "deadline": {
                    "description": "When it must be able to end, else it is refused: a time, or seconds from now.",
                    "anyOf": [
                        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e10},
                        _TIME,
                        {"type": "null"},
                    ],
                },
                **_callback(settings),
                **_fresh(settings),
            },
            "example": {"ids": some_ids(settings)[:3], "priority": "HIGH"},
        },
        "Callback": _object(
            {
                "id": {**_TEXT, "description": "The webhook-id that the receiver is sent, the same in each attempt."},
                "state": {"type": "string", "enum": [state.value for state in CallbackState]},
                "attempts": COUNT,
                "error": {"type": ["string", "null"], "description": "Why the latest attempt failed."},
                "next_attempt_at": {**_TIME_OR_NULL, "description": "Null once it is sent or has failed."},
            },
            description="How the receiver was told of the ingestion's latest end.",
        ),
        "Accepted": _object({"ingestion_id": UUID}),
        "Ingestion": _object(ingestion, "owner", "served"),
        "Status": _object(
            {
                **ingestion,
                **estimate,
                "callback": ref("schemas", "Callback"),
                "batches": _array(ref("schemas", "Batch")),
            },
            *("owner", "served", "callback", *estimate),
            description="The ingestion with a page of its batches; the estimate is there until it has ended, and the"
            " callback from then on, if anybody is told.",
        ),
        "Batch": _object(batch, "attempts", "started_at", "finished_at", "next_attempt_at", "error"),
        "Page": _object({"ingestions": _array(ref("schemas", "Ingestion")), "next_cursor": _NAME_OR_NULL}),
        "Failures": _object({"groups": _array(ref("schemas", "Group")), "next_cursor": _NAME_OR_NULL}),
        "Group": _object(
            {
                "group": {**_TEXT, "description": "What the query member `group` takes."},
                "type": _TEXT,
                "message": {**_TEXT, "description": "With ids, numbers, addresses and secrets masked."},
                "count": {**COUNT, "description": "Batches."},
                "first_at": _TIME,
                "last_at": _TIME,
                "sample": _object(
                    {"ingestion_id": UUID, "batch_id": UUID, "error": _ERROR}, description="The one that failed last."
                ),
                "ingestions": {**_array(UUID), "description": "Theirs, those that failed last first; ten at most."},
            },
            description="Batches that failed by errors that read alike.",
        ),
        "Search": _object(
            {
                "id": {**_TEXT, "description": "The id, as text."},
                "found": _array(ref("schemas", "Found")),
                "more": {"type": "boolean", "description": "Whether it is in more places than `limit`."},
                "complete": {"type": "boolean", "description": "Whether every ingestion was searched."},
                "searched": {**COUNT, "description": "Ingestions looked through, beside those in the index."},
                "all_unfinished": {"type": "boolean", "description": "Whether all unfinished ones were searched."},
                "searched_since": {
                    **_TIME_OR_NULL,
                    "description": "Whatever was submitted after this was searched; null if all was.",
                },
            }
        ),
        "Found": _object(
            {
                "ingestion": ref("schemas", "Ingestion"),
                "batch": ref("schemas", "Batch"),
                "estimated_start": {**_TIME_OR_NULL, "description": "Null while paused, or where it does not wait."},
                "result": {
                    "type": ["object", "null"],
                    "description": "The latest of the id: its `data`, or why it failed as `error`.",
                },
            }
        ),
        "Attempts": _object(
            {
                "ingestion_id": UUID,
                "created_at": _TIME,
                "started_at": _TIME_OR_NULL,
                "finished_at": _TIME_OR_NULL,
                "estimated_at_submission": {**_TIME_OR_NULL, "description": "When it should have ended."},
                "waiting_on": {
                    "anyOf": [{"type": "string", "enum": list(HOLDS)}, {"type": "null"}],
                    "description": "What its batches that have yet to start wait for now; null where there are none.",
                },
                "kept": {**COUNT, "description": "Attempts kept of each batch."},
                "attempts": _array(ref("schemas", "Attempt")),
            }
        ),
        "Attempt": _object(
            {
                "batch_id": UUID,
                "position": COUNT,
                "attempt": {"type": "integer", "minimum": 1, "description": "Counted from 1, again after a redrive."},
                "due_at": _TIME,
                "limited_by": _LIMITED_BY,
                "started_at": _TIME,
                "ended_at": {**_TIME_OR_NULL, "description": "Null while it runs."},
                "outcome": {
                    "anyOf": [
                        {"type": "string", "enum": ["completed", "retry", "failed", "released"]},
                        {"type": "null"},
                    ],
                    "description": "`retry` failed and is tried again, `released` was put back and does not count.",
                },
                "error": {**_ERROR, "type": ["object", "null"]},
                "host": {**_NAME_OR_NULL, "description": "For keys that may operate."},
                "process": {"type": ["integer", "null"], "description": "For keys that may operate."},
            },
            description="One attempt at a batch.",
        ),
        "RedriveAll": _sweep(STATUS),
        "CancelAll": _sweep({**STATUS, "enum": [status.value for status in Status if not status.final]}),
        "SweepOrCount": {"anyOf": [ref("schemas", "Sweep"), ref("schemas", "SweepCount")]},
        "SweepCount": _object({"ingestions": COUNT, "batches": COUNT}, description="The answer to `dry_run`."),
        "Sweeps": _object({"sweeps": _array(ref("schemas", "Sweep"))}),
        "Sweep": _object(
            {
                "sweep_id": UUID,
                "verb": {"type": "string", "enum": [*VERBS]},
                "filter": {"type": "object"},
                "by": {**_NAME_OR_NULL, "description": "The name of the key that asked for it."},
                "state": {"type": "string", "enum": ["running", "finished"]},
                "matched": {**COUNT, "description": "Ingestions that matched when it was asked for."},
                "acted": {**COUNT, "description": "Ingestions redriven or cancelled so far."},
                "created_at": _TIME,
                "finished_at": _TIME_OR_NULL,
            },
            description="A redrive or a cancel of all ingestions that match.",
        ),
        "Quote": _object({priority.name: ref("schemas", "Estimate") for priority in Priority}),
        "Estimate": _object(estimate, "at_latest"),
        "Queue": _object(
            {
                "now": _TIME,
                "worker": _WORKER,
                "waiting_on": {
                    "anyOf": [
                        {
                            "type": "string",
                            "enum": ["paused", "hold", "empty", "answer", "retry", "slots", "connections", "token"],
                        },
                        {"type": "null"},
                    ]
                },
                "paused": {"type": "boolean", "description": "Whether the queue as a whole is."},
                "paused_owners": {
                    **_array(_TEXT),
                    "description": "The callers that are paused; for keys that may not operate, only their own.",
                },
                "hold_until": _TIME_OR_NULL,
                "tokens": COUNT,
                "next_token_at": _TIME,
                "limits": {
                    **_array(_object({"limit": _TEXT, "tokens": COUNT, "next_at": _TIME})),
                    "description": "How INTERVAL, each of LIMITS, and the limit that refusals of the upstream lead to "
                    "stand; empty where there is only INTERVAL.",
                },
                "binding_limit": {**_NAME_OR_NULL, "description": "The limit whose next token arrives last."},
                "slowed_to": {
                    "type": ["number", "null"],
                    "description": "Seconds per start after the upstream refused; null at the configured rate.",
                },
                "rate": _object(_IN_FORCE),
                "running": COUNT,
                "waiting": COUNT,
                "priorities": _object({priority.name: ref("schemas", "Depth") for priority in Priority}),
                "service_seconds": _SECONDS,
                "estimate_error": {
                    **_object({"ingestions": COUNT, "mean": _SECONDS, "p95": _SECONDS}),
                    "type": ["object", "null"],
                },
                "next": _array(
                    _object(
                        {
                            **next_batch,
                            "ingestion_id": UUID,
                            "priority": PRIORITY,
                            "estimated_start": _TIME_OR_NULL,
                        }
                    )
                ),
                "workers": {
                    **_array(
                        _object(
                            {
                                "id": UUID,
                                "host": _TEXT,
                                "process": COUNT,
                                "version": _TEXT,
                                "slots": COUNT,
                                "busy": COUNT,
                                "abandoned": COUNT,
                                "started_at": _TIME,
                                "seen_at": _TIME,
                                "runs": {
                                    **_array(
                                        _object(
                                            {
                                                "batch_id": UUID,
                                                "ingestion_id": UUID,
                                                "attempt": COUNT,
                                                "started_at": _TIME,
                                            }
                                        )
                                    ),
                                    "description": "What it runs now, of the 100 batches that run longest.",
                                },
                            }
                        )
                    ),
                    "description": "Who works on this queue, as last reported; empty for keys that may not operate.",
                },
                "concurrency": _object(
                    {
                        "each": {"type": "integer", "minimum": 1},
                        "some": {
                            "type": "object",
                            "additionalProperties": {"type": "integer", "minimum": 1},
                            "description": "By the ids of workers, or hosts, that differ; empty for keys that may not "
                            "operate.",
                        },
                        "changed": {"type": "boolean", "description": "Whether it differs from what is configured."},
                        "most": {"type": "integer", "minimum": 1, "description": "What it may be raised to."},
                    },
                    description="How many batches a process runs at once at most.",
                ),
                "callers": {
                    **_array(
                        _object(
                            {
                                "name": _NAME_OR_NULL,
                                "priority": PRIORITY,
                                "waiting": COUNT,
                                "oldest_at": {**_TIME_OR_NULL, "description": "Null where all of it is parked."},
                                "parked": {**COUNT, "description": "Of these, not in line because of a pause."},
                            },
                        )
                    ),
                    "description": "What each caller has waiting where callers take turns, the longest waiting first; "
                    "only its own for a key that may not operate.",
                },
            }
        ),
        "Depth": _object(
            {
                "waiting": COUNT,
                "oldest_at": _TIME_OR_NULL,
                "drained_at": _TIME_OR_NULL,
                "paused": {"type": "boolean", "description": "Whether this priority is."},
                "parked": {
                    **COUNT,
                    "description": "How many of those that wait are not in line, because their priority or caller is "
                    "paused; the times are those of the others.",
                },
            }
        ),
        "Dispatches": _object(
            {
                **_IN_FORCE,
                "fair": _FAIR,
                "order_since": {
                    **_SECONDS,
                    "description": "When what waits last changed places, in epoch seconds; 0 if never.",
                },
                "dispatches": _array(ref("schemas", "Dispatch")),
            }
        ),
        "Dispatch": _object(
            {
                "started_at": _SECONDS,
                "due_at": _SECONDS,
                "batch_id": UUID,
                "ingestion_id": UUID,
                "position": COUNT,
                "attempt": {"type": "integer", "minimum": 1},
                "priority": PRIORITY,
                "rank": {"type": "number"},
                "order": COUNT,
                "limited_by": _LIMITED_BY,
                "owner": {**_NAME_OR_NULL, "description": "The caller whose batch it was."},
                "wait": _SECONDS,
                "rode_with": {**UUID, "description": "The batch whose token and call it shared, with FILL."},
            },
            "rode_with",
            description="One start of a batch; times are seconds since the epoch.",
        ),
        "Rate": _rate(settings),
        "Concurrency": _object(
            {"concurrency": {"type": "integer", "minimum": 1, "maximum": most_concurrency(settings)}},
            additionalProperties=False,
        ),
        "Move": _object({"priority": PRIORITY}, additionalProperties=False),
        "Audit": _object({"entries": _array(ref("schemas", "Entry")), "next_cursor": _NAME_OR_NULL}),
        "Entry": _object(
            {
                "number": {"type": "integer", "minimum": 1},
                "at": _TIME,
                "by": {**_NAME_OR_NULL, "description": "The name of the caller's key."},
                "action": {
                    "type": "string",
                    "enum": [
                        "pause",
                        "resume",
                        "end_hold",
                        "change_rates",
                        "change_concurrency",
                        "cancel",
                        "redrive",
                        "move",
                        "cancel_all",
                        "redrive_all",
                    ],
                },
                "subject": {"type": "string", "description": "An ingestion's or a sweep's id, or empty for the queue."},
                "before": {"type": "object"},
                "after": {"type": "object"},
            }
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
