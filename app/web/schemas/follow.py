"""Where an ingestion stands, and what came of it."""

from __future__ import annotations

from ...config import Settings
from ...core import HOLDS, Counts
from .parts import (
    COUNT,
    ERROR,
    JSON,
    LIMITED_BY,
    NAME_OR_NULL,
    PRIORITY,
    STATUS,
    TEXT,
    TIME,
    TIME_OR_NULL,
    UUID,
    list_of,
    object_of,
    ref,
)
from .submit import ESTIMATE

INGESTION: JSON = {
    "ingestion_id": UUID,
    "status": STATUS,
    "priority": PRIORITY,
    "id_count": COUNT,
    "batch_count": COUNT,
    "counts": object_of(dict.fromkeys(Counts._fields, COUNT), description="Batches in each status."),
    "created_at": TIME,
    "started_at": TIME_OR_NULL,
    "finished_at": TIME_OR_NULL,
    "owner": {"type": "string", "description": "The caller that submitted it, where there are keys."},
    "served": {**COUNT, "description": "Ids that got their answer without a call, where FRESH is set."},
}


def following(settings: Settings) -> JSON:
    """Returns the schemas of ingestions, their batches, and what is found among them."""
    batch: JSON = {
        "batch_id": UUID,
        "ids": list_of({"type": settings.id_type}),
        "status": STATUS,
        "attempts": {"type": "integer", "minimum": 1},
        "started_at": {**TIME, "description": "When the latest attempt began."},
        "finished_at": {**TIME, "description": "When it completed or failed for good."},
        "next_attempt_at": {**TIME, "description": "When a batch that waits for its retry is due again."},
        "error": ERROR,
    }
    return {
        "Ingestion": object_of(INGESTION, "owner", "served"),
        "Status": object_of(
            {
                **INGESTION,
                **ESTIMATE,
                "callback": ref("schemas", "Callback"),
                "batches": list_of(ref("schemas", "Batch")),
            },
            *("owner", "served", "callback", *ESTIMATE),
            description="The ingestion with a page of its batches; the estimate is there until it has ended, and the"
            " callback from then on, if anybody is told.",
        ),
        "Batch": object_of(batch, "attempts", "started_at", "finished_at", "next_attempt_at", "error"),
        "Page": object_of({"ingestions": list_of(ref("schemas", "Ingestion")), "next_cursor": NAME_OR_NULL}),
        "Failures": object_of({"groups": list_of(ref("schemas", "Group")), "next_cursor": NAME_OR_NULL}),
        "Group": object_of(
            {
                "group": {**TEXT, "description": "What the query member `group` takes."},
                "type": TEXT,
                "message": {**TEXT, "description": "With ids, numbers, addresses and secrets masked."},
                "count": {**COUNT, "description": "Batches."},
                "first_at": TIME,
                "last_at": TIME,
                "sample": object_of(
                    {"ingestion_id": UUID, "batch_id": UUID, "error": ERROR}, description="The one that failed last."
                ),
                "ingestions": {**list_of(UUID), "description": "Theirs, those that failed last first; ten at most."},
            },
            description="Batches that failed by errors that read alike.",
        ),
        "Search": object_of(
            {
                "id": {**TEXT, "description": "The id, as text."},
                "found": list_of(ref("schemas", "Found")),
                "more": {"type": "boolean", "description": "Whether it is in more places than `limit`."},
                "complete": {"type": "boolean", "description": "Whether every ingestion was searched."},
                "searched": {**COUNT, "description": "Ingestions looked through, beside those in the index."},
                "all_unfinished": {"type": "boolean", "description": "Whether all unfinished ones were searched."},
                "searched_since": {
                    **TIME_OR_NULL,
                    "description": "Whatever was submitted after this was searched; null if all was.",
                },
            }
        ),
        "Found": object_of(
            {
                "ingestion": ref("schemas", "Ingestion"),
                "batch": ref("schemas", "Batch"),
                "estimated_start": {**TIME_OR_NULL, "description": "Null while paused, or where it does not wait."},
                "result": {
                    **object_of(
                        {"data": {"description": "What the processor returned for it."}, "error": ERROR},
                        "data",
                        "error",
                    ),
                    "type": ["object", "null"],
                    "description": "The latest of the id: its `data`, or why it failed as `error`.",
                },
            }
        ),
        "Attempts": object_of(
            {
                "ingestion_id": UUID,
                "created_at": TIME,
                "started_at": TIME_OR_NULL,
                "finished_at": TIME_OR_NULL,
                "estimated_at_submission": {**TIME_OR_NULL, "description": "When it should have ended."},
                "waiting_on": {
                    "anyOf": [{"type": "string", "enum": list(HOLDS)}, {"type": "null"}],
                    "description": "What its batches that have yet to start wait for now; null where there are none.",
                },
                "kept": {**COUNT, "description": "Attempts kept of each batch."},
                "attempts": list_of(ref("schemas", "Attempt")),
            }
        ),
        "Attempt": object_of(
            {
                "batch_id": UUID,
                "position": COUNT,
                "attempt": {"type": "integer", "minimum": 1, "description": "Counted from 1, again after a redrive."},
                "due_at": TIME,
                "limited_by": LIMITED_BY,
                "started_at": TIME,
                "ended_at": {**TIME_OR_NULL, "description": "Null while it runs."},
                "outcome": {
                    "anyOf": [
                        {"type": "string", "enum": ["completed", "retry", "failed", "released"]},
                        {"type": "null"},
                    ],
                    "description": "`retry` failed and is tried again, `released` was put back and does not count.",
                },
                "error": {**ERROR, "type": ["object", "null"]},
                "host": {**NAME_OR_NULL, "description": "For keys that may operate."},
                "process": {"type": ["integer", "null"], "description": "For keys that may operate."},
            },
            description="One attempt at a batch.",
        ),
    }
