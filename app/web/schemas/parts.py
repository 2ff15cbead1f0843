"""What the schemas are made of."""

from __future__ import annotations

from typing import Any, get_args

from ...core import LONGEST_ID, LONGEST_NAME, SECONDS_BELOW, UNPRINTABLE, LimitedBy, Priority, Status

JSON = dict[str, Any]

OWNER: JSON = {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": f"^[^{UNPRINTABLE}]+$"}
STRING_ID: JSON = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_ID,
    "pattern": f"^[^ {UNPRINTABLE}]([^{UNPRINTABLE}]*[^ {UNPRINTABLE}])?$",
}
UUID: JSON = {"type": "string", "format": "uuid"}
COUNT: JSON = {"type": "integer", "minimum": 0}
TEXT: JSON = {"type": "string"}
TIME: JSON = {"type": "string", "format": "date-time"}
TIME_OR_NULL: JSON = {"type": ["string", "null"], "format": "date-time"}
NAME_OR_NULL: JSON = {"type": ["string", "null"]}
MOMENT: JSON = {"anyOf": [{"type": "number", "minimum": 0, "maximum": int(SECONDS_BELOW) - 1}, TIME]}
SECONDS: JSON = {"type": "number"}
PRIORITY: JSON = {"type": "string", "enum": [priority.name for priority in Priority]}
STATUS: JSON = {"type": "string", "enum": [status.value for status in Status]}
WORKER: JSON = {"type": "string", "enum": ["off", "running", "stopping", "stuck", "dead"]}
ERROR: JSON = {
    "type": "object",
    "description": "Why the latest attempt did not end well.",
    "required": ["type", "message"],
    "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
}
LIMITED_BY: JSON = {"type": "string", "enum": list(get_args(LimitedBy))}
IN_FORCE: JSON = {
    "interval": SECONDS,
    "burst": {"type": "integer", "minimum": 1},
    "limits": {"type": "array", "items": TEXT, "description": "LIMITS, as they are in force."},
    "changed": {"type": "boolean", "description": "Whether it differs from what is configured."},
    "rate_since": {
        **SECONDS,
        "description": "When the rate was last changed, by somebody or by a restart with other settings, in epoch "
        "seconds; 0 if never.",
    },
}


def ref(kind: str, name: str) -> JSON:
    return {"$ref": f"#/components/{kind}/{name}"}


def resolved(document: Any, part: Any) -> Any:
    """Returns what a part of a document refers to, or the part itself."""
    if "$ref" not in part:
        return part
    for name in part["$ref"].split("/")[1:]:
        document = document[name]
    return document


def object_of(properties: JSON, *optional: str, **more: Any) -> JSON:
    """Returns the schema of an object of which all members but the `optional` ones are required."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def list_of(items: JSON) -> JSON:
    return {"type": "array", "items": items}
