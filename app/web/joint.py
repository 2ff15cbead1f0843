"""What the root of a service with several queues says for all of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

from flask import Blueprint, Flask, Response, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..core import dumps
from ..keys import Role
from ..naming import release
from ..service import Service
from .answers import Answer, secure
from .auth import Guard
from .index import refuse_unrouted, wants_html
from .metrics import exposed
from .openapi import describe
from .union import joined


def add_joint(app: Flask, services: Sequence[Service]) -> None:
    """Add the index, the metrics, the description and the probes of all queues, and the way to their dashboards."""
    guards = [Guard(service) for service in services]
    names = [service.name for service in services]
    refuse_unrouted(app, queues=names)
    blueprint = Blueprint("queues", __name__)
    blueprint.after_request(secure)

    @blueprint.get("/")
    def index() -> AnyResponse:
        if wants_html():
            return redirect(url_for(".dashboard"))
        links = {"dashboard": "/dashboard", "description": "/openapi.json", "metrics": "/metrics"}
        queues = {name: f"/{name}/ingest" for name in names}
        return Answer(dumps({"service": "Flask-Ingestion", "version": release(), "links": links, "queues": queues}))

    @blueprint.get("/dashboard")
    def dashboard() -> AnyResponse:
        return redirect(url_for(f"{names[0]}.dashboard.queues"))

    @functools.lru_cache(4)
    def description(root: str) -> str:
        described = {one.name: describe(one.settings, one.name, f"/{one.name}") for one in services}
        return dumps(joined(described, root))

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

    app.register_blueprint(blueprint)
