"""How work is stopped, resumed or repeated, and who did."""

from __future__ import annotations

from ...config import Settings
from ...core import VERBS, Status, interval_bounds, most_burst, most_concurrency
from .parts import (
    COUNT,
    JSON,
    MOMENT,
    NAME_OR_NULL,
    OWNER,
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


def _sweep(status: JSON) -> JSON:
    members: JSON = {
        "status": {**status, "description": "The ingestion's."},
        "priority": PRIORITY,
        "owner": {**OWNER, "description": "Whose ingestions."},
        "group": {**TEXT, "description": "Those with a failure of this group."},
        "since": {**MOMENT, "description": "Submitted then or later: a time, or seconds ago."},
        "until": {**MOMENT, "description": "Submitted then or earlier: a time, or seconds ago."},
        "failed": {"type": "boolean", "enum": [True], "description": "Those with failed batches."},
        "dry_run": {"type": "boolean", "description": "Only count."},
    }
    # At least one beside `dry_run`. Said as an `anyOf` of what is required, generators would take it for a union.
    return object_of(
        members,
        *members,
        additionalProperties=False,
        minProperties=1,
        dependentSchemas={"dry_run": {"minProperties": 2}},
    )


def _rate(settings: Settings) -> JSON:
    least, most = interval_bounds(settings)
    limits: JSON = {one.name: {**TEXT, "example": one.name} for one in settings.limits}
    members: JSON = {
        "interval": {"type": ["number", "null"], "minimum": least, "maximum": most},
        "burst": {"type": ["integer", "null"], "minimum": 1, "maximum": most_burst(settings)},
        "limits": {"type": ["object", "null"], "properties": limits, "additionalProperties": False},
    }
    return object_of(members, *members, additionalProperties=False, minProperties=1)


def steering(settings: Settings) -> JSON:
    """Returns the schemas of sweeps, rates, slots and the audit log."""
    return {
        "RedriveAll": _sweep(STATUS),
        "CancelAll": _sweep({**STATUS, "enum": [status.value for status in Status if not status.final]}),
        "SweepOrCount": {"anyOf": [ref("schemas", "Sweep"), ref("schemas", "SweepCount")]},
        "SweepCount": object_of({"ingestions": COUNT, "batches": COUNT}, description="The answer to `dry_run`."),
        "Sweeps": object_of({"sweeps": list_of(ref("schemas", "Sweep"))}),
        "Sweep": object_of(
            {
                "sweep_id": UUID,
                "verb": {"type": "string", "enum": [*VERBS]},
                "filter": {"type": "object"},
                "by": {**NAME_OR_NULL, "description": "The name of the key that asked for it."},
                "state": {"type": "string", "enum": ["running", "finished"]},
                "matched": {**COUNT, "description": "Ingestions that matched when it was asked for."},
                "acted": {**COUNT, "description": "Ingestions redriven or cancelled so far."},
                "created_at": TIME,
                "finished_at": TIME_OR_NULL,
            },
            description="A redrive or a cancel of all ingestions that match.",
        ),
        "Rate": _rate(settings),
        "Concurrency": object_of(
            {"concurrency": {"type": "integer", "minimum": 1, "maximum": most_concurrency(settings)}},
            additionalProperties=False,
        ),
        "Move": object_of({"priority": PRIORITY}, additionalProperties=False),
        "Audit": object_of({"entries": list_of(ref("schemas", "Entry")), "next_cursor": NAME_OR_NULL}),
        "Entry": object_of(
            {
                "number": {"type": "integer", "minimum": 1},
                "at": TIME,
                "by": {**NAME_OR_NULL, "description": "The name of the caller's key."},
                "action": {
                    "type": "string",
                    "enum": [
                        "pause",
                        "resume",
                        "end_hold",
                        "change_rates",
                        "change_concurrency",
                        "redrive_callback",
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
    }
