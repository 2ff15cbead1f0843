"""What the queue does."""

from __future__ import annotations

from typing import get_args

from ...config import Settings
from ...core import Priority, WaitReason
from .parts import (
    COUNT,
    IN_FORCE,
    JSON,
    LIMITED_BY,
    NAME_OR_NULL,
    PRIORITY,
    SECONDS,
    TEXT,
    TIME,
    TIME_OR_NULL,
    UUID,
    WORKER,
    list_of,
    object_of,
    ref,
)

FAIR: JSON = {
    "type": ["object", "null"],
    "additionalProperties": {"type": "integer", "minimum": 1},
    "description": "The weights of callers that have other than 1, where callers take turns; null where they do not.",
}


def watching(settings: Settings) -> JSON:
    """Returns the schemas of the queue, its dispatches and its health."""
    return {
        "Queue": object_of(
            {
                "now": TIME,
                "worker": WORKER,
                "simulated": {
                    "type": "boolean",
                    "description": "True where the process that answers has no processor: ids count as completed, and "
                    "nothing is fetched or sent.",
                },
                "waiting_on": {
                    "anyOf": [
                        {"type": "string", "enum": list(get_args(WaitReason))},
                        {"type": "null"},
                    ]
                },
                "stalled": {
                    "type": "boolean",
                    "description": "Whether no worker that could start anything is there, in this process or, with a "
                    "store that others share, among those that reported within a LEASE.",
                },
                "paused": {"type": "boolean", "description": "Whether the queue as a whole is."},
                "paused_owners": {
                    **list_of(TEXT),
                    "description": "The callers that are paused; for keys that may not operate, only their own.",
                },
                "hold_until": TIME_OR_NULL,
                "tokens": COUNT,
                "next_token_at": TIME,
                "limits": {
                    **list_of(object_of({"limit": TEXT, "tokens": COUNT, "next_at": TIME})),
                    "description": "How INTERVAL, each of LIMITS, and the limit that refusals of the upstream lead to "
                    "stand; empty where there is only INTERVAL.",
                },
                "binding_limit": {**NAME_OR_NULL, "description": "The limit whose next token arrives last."},
                "slowed_to": {
                    "type": ["number", "null"],
                    "description": "Seconds per start after the upstream refused; null at the configured rate.",
                },
                "rate": object_of(IN_FORCE),
                "running": COUNT,
                "waiting": COUNT,
                "priorities": object_of({priority.name: ref("schemas", "Depth") for priority in Priority}),
                "service_seconds": SECONDS,
                "estimate_error": {
                    **object_of({"ingestions": COUNT, "mean": SECONDS, "p95": SECONDS}),
                    "type": ["object", "null"],
                },
                "next": list_of(
                    object_of(
                        {
                            "batch_id": UUID,
                            "ids": list_of({"type": settings.id_type}),
                            "ingestion_id": UUID,
                            "priority": PRIORITY,
                            "estimated_start": TIME_OR_NULL,
                        }
                    )
                ),
                "workers": {
                    **list_of(
                        object_of(
                            {
                                "id": UUID,
                                "host": TEXT,
                                "process": COUNT,
                                "version": TEXT,
                                "slots": COUNT,
                                "busy": COUNT,
                                "abandoned": COUNT,
                                "started_at": TIME,
                                "seen_at": TIME,
                                "runs": {
                                    **list_of(
                                        object_of(
                                            {
                                                "batch_id": UUID,
                                                "ingestion_id": UUID,
                                                "attempt": COUNT,
                                                "started_at": TIME,
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
                "concurrency": object_of(
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
                    **list_of(
                        object_of(
                            {
                                "name": NAME_OR_NULL,
                                "priority": PRIORITY,
                                "waiting": COUNT,
                                "oldest_at": {**TIME_OR_NULL, "description": "Null where all of it is parked."},
                                "parked": {**COUNT, "description": "Of these, not in line because of a pause."},
                            },
                        )
                    ),
                    "description": "What each caller has waiting where callers take turns, the longest waiting first; "
                    "only its own for a key that may not operate.",
                },
            },
            "simulated",
        ),
        "Depth": object_of(
            {
                "waiting": COUNT,
                "oldest_at": TIME_OR_NULL,
                "drained_at": TIME_OR_NULL,
                "paused": {"type": "boolean", "description": "Whether this priority is."},
                "parked": {
                    **COUNT,
                    "description": "How many of those that wait are not in line, because their priority or caller is "
                    "paused; the times are those of the others.",
                },
            }
        ),
        "Dispatches": object_of(
            {
                **IN_FORCE,
                "fair": FAIR,
                "order_since": {
                    **SECONDS,
                    "description": "When what waits last changed places, or a setting did that, in epoch seconds.",
                },
                "dispatches": list_of(ref("schemas", "Dispatch")),
            }
        ),
        "Dispatch": object_of(
            {
                "started_at": SECONDS,
                "due_at": SECONDS,
                "batch_id": UUID,
                "ingestion_id": UUID,
                "position": COUNT,
                "attempt": {"type": "integer", "minimum": 1},
                "priority": PRIORITY,
                "rank": {"type": "number"},
                "order": COUNT,
                "limited_by": LIMITED_BY,
                "owner": {**NAME_OR_NULL, "description": "The caller whose batch it was."},
                "wait": SECONDS,
                "rode_with": {**UUID, "description": "The batch whose token and call it shared, with FILL."},
            },
            "rode_with",
            description="One start of a batch; times are seconds since the epoch.",
        ),
        "Health": object_of({"status": {"const": "ok"}, "worker": WORKER}),
    }
