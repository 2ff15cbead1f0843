"""One description of the API for several queues, whose settings, and so whose schemas, differ."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .schemas import JSON

_COMPONENT = re.compile(r"#/components/(\w+)/")
_MERGED = ("paths", "components", "x-settings")


def joined(documents: Mapping[str, JSON], root: str) -> JSON:
    """Returns the OpenAPI document of all queues, from the document of each by its name.

    A queue's paths start with its name, as do its operations, its tags and its components.
    """
    first = next(iter(documents.values()))
    whole: JSON = {key: value for key, value in first.items() if key not in _MERGED}
    whole |= {"servers": [{"url": root}], "tags": [], "paths": {}, "components": {}, "x-settings": []}
    for queue, document in documents.items():
        own = _named(document, queue)
        whole["tags"] += [{**tag, "name": f"{queue}: {tag['name']}"} for tag in document["tags"]]
        whole["paths"] |= {f"/{queue}{path}": item for path, item in own["paths"].items()}
        whole["x-settings"] += document["x-settings"]
        for kind, components in own["components"].items():
            whole["components"].setdefault(kind, {}).update(
                {f"{queue}_{name}": component for name, component in components.items()}
            )
    return whole


def _named(node: Any, queue: str) -> Any:
    """Returns a part of a document with the queue's name before each reference, operation, tag and security scheme."""
    if isinstance(node, list):
        return [_named(one, queue) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _named(value, queue) for key, value in node.items()}
    if isinstance(reference := node.get("$ref"), str):
        found["$ref"] = _COMPONENT.sub(rf"#/components/\1/{queue}_", reference)
    if isinstance(operation := node.get("operationId"), str):
        found["operationId"] = f"{queue}_{operation}"
        if "tags" in node:
            found["tags"] = [f"{queue}: {tag}" for tag in node["tags"]]
        if "security" in node:
            found["security"] = [
                {f"{queue}_{scheme}": roles for scheme, roles in one.items()} for one in node["security"]
            ]
    return found
