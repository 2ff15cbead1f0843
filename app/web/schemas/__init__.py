"""The schemas in the API's description: JSON Schema 2020-12.

Objects in answers are open, because members are only ever added.
"""

from __future__ import annotations

from ...config import Settings
from .follow import following
from .parts import (
    COUNT,
    JSON,
    MOMENT,
    NAME_OR_NULL,
    OWNER,
    PRIORITY,
    STATUS,
    STRING_ID,
    TIME,
    UUID,
    list_of,
    object_of,
    ref,
    resolved,
)
from .steer import steering
from .submit import some_ids, submitting
from .watch import watching

__all__ = [
    "COUNT",
    "JSON",
    "MOMENT",
    "OWNER",
    "PRIORITY",
    "STATUS",
    "STRING_ID",
    "UUID",
    "ref",
    "resolved",
    "schemas",
    "some_ids",
]


def schemas(settings: Settings) -> JSON:
    """Returns every schema by its name. The bounds of a request are those of the settings."""
    groups = (submitting, following, steering, watching)
    return {name: schema for group in groups for name, schema in group(settings).items()} | {
        "Login": object_of({"key": {"type": "string"}}, additionalProperties=False),
        "Caller": object_of({"name": NAME_OR_NULL, "role": {"type": "string", "enum": ["read", "submit", "operate"]}}),
        "Problem": object_of(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What is wrong and what would be right."},
                "errors": {
                    "description": "Each thing that is wrong with the request.",
                    **list_of(object_of({"pointer": {"type": "string"}, "detail": {"type": "string"}})),
                },
                "earliest": {**TIME, "description": "The soonest it could end, where a deadline cannot be met."},
            },
            *("errors", "earliest"),
            description="RFC 9457.",
        ),
    }
