"""What is handed over, and what it is told."""

from __future__ import annotations

from ...callbacks import CallbackState
from ...config import Settings
from ...core import SECONDS_BELOW, Priority
from ...receivers import LONGEST_URL
from .parts import COUNT, JSON, PRIORITY, STRING_ID, TEXT, TIME, TIME_OR_NULL, UUID, object_of, ref

ESTIMATE: JSON = {
    "batches_ahead": COUNT,
    "estimated_start": {**TIME_OR_NULL, "description": "Null while paused, or where all that is left runs."},
    "estimated_completion": TIME_OR_NULL,
    "at_latest": {
        "type": "boolean",
        "description": "There, and true, where it may be sooner, but not later, if nothing else arrives.",
    },
}


def some_ids(settings: Settings) -> list[int] | list[str]:
    """Returns the ids of every example."""
    return [f"SKU-{number}" for number in range(1, 6)] if settings.id_type == "string" else [1, 2, 3, 4, 5]


def _id(settings: Settings) -> JSON:
    if settings.id_type == "integer":
        return {"type": "integer", "minimum": settings.id_min, "maximum": settings.id_max}
    about = "Printable characters, with no blank at the beginning or the end."
    return {**STRING_ID, "description": about}


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


def submitting(settings: Settings) -> JSON:
    """Returns the schemas of submissions and quotes."""
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
                        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": SECONDS_BELOW},
                        TIME,
                        {"type": "null"},
                    ],
                },
                **_callback(settings),
                **_fresh(settings),
            },
            "example": {"ids": some_ids(settings)[:3], "priority": "HIGH"},
        },
        "Callback": object_of(
            {
                "id": {**TEXT, "description": "The webhook-id that the receiver is sent, the same in each attempt."},
                "state": {"type": "string", "enum": [state.value for state in CallbackState]},
                "attempts": COUNT,
                "error": {"type": ["string", "null"], "description": "Why the latest attempt failed."},
                "next_attempt_at": {**TIME_OR_NULL, "description": "Null once it is sent or has failed."},
            },
            description="How the callback of the ingestion's latest end stands.",
        ),
        "Accepted": object_of({"ingestion_id": UUID}),
        "Quote": object_of({priority.name: ref("schemas", "Estimate") for priority in Priority}),
        "Estimate": object_of(ESTIMATE, "at_latest"),
    }
