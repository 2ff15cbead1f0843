"""What the root of a service with several queues answers for all of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, cast

from flask import Blueprint, Flask, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..core import dumps
from ..keys import Role
from ..naming import release
from ..service import Service
from .answers import Answer, as_json, secure
from .auth import Guard
from .index import refuse_unrouted, wants_html
from .metrics import exposed
from .openapi import describe
from .schemas import JSON

_COMPONENT = re.compile(r"#/components/(\w+)/")
_MERGED = ("paths", "components", "x-settings")


def make_joint(app: Flask, services: Sequence[Service]) -> Blueprint:
    """Returns the index, the metrics, the description and the probes of all queues, and the way to their dashboards."""
    guards = [Guard(service) for service in services]
    names = [service.name for service in services]
    refuse_unrouted(app, queues=names)
    blueprint = Blueprint("queues", __name__)
    blueprint.after_request(secure)

    @blueprint.get("/")
    def index() -> AnyResponse:
        if wants_html():
            return redirect(url_for(".dashboard"))
        root = request.script_root
        links = {
            "dashboard": f"{root}/dashboard",
            "description": f"{root}/openapi.json",
            "reference": f"{root}/docs",
            "metrics": f"{root}/metrics",
        }
        queues = {name: f"{root}/{name}/ingest" for name in names}
        return as_json({"service": "Flask-Ingestion", "version": release(), "links": links, "queues": queues})

    @blueprint.get("/dashboard")
    def dashboard() -> AnyResponse:
        return redirect(url_for(f"{names[0]}.dashboard.queues"))

    @functools.lru_cache(4)
    def description(root: str) -> str:
        return dumps(description_of_all(services, root))

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return Answer(description(request.script_root or "/"))

    @blueprint.get("/metrics")
    def metrics() -> Response:
        readable = [one for one, guard in zip(services, guards, strict=True) if guard.identify()]
        return (None if readable else guards[0].refusal(Role.READ)) or exposed(readable)

    @blueprint.get("/livez")
    def livez() -> Response:
        return _worst("livez")

    @blueprint.get("/readyz")
    def readyz() -> Response:
        return _worst("readyz")

    def _worst(probe: str) -> Response:
        """Returns the answer of the first queue that is not well, else that of the last."""
        for name in names:
            answer = cast(Response, current_app.view_functions[f"{name}.{probe}"]())
            if answer.status_code != 200:
                break
        return answer

    return blueprint


def description_of_all(services: Sequence[Service], root: str) -> JSON:
    """Returns the OpenAPI document of all queues, whose settings, and so whose schemas, differ.

    A queue's paths start with its name, as do its operations, its tags and its components.
    """
    documents = {one.name: describe(one.settings, one.name, f"/{one.name}") for one in services}
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
