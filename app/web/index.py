"""What is answered where no route leads: `/` of the standalone service, and paths that are not there."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as AnyResponse

from ..naming import release
from .answers import as_json, secure
from .near import near
from .problems import from_http

_LINKS = {
    "submit": "/ingest",
    "status": "/status/{ingestion_id}",
    "results": "/results/{ingestion_id}",
    "queue": "/queue",
    "dashboard": "/dashboard",
    "description": "/openapi.json",
    "reference": "/docs",
}


def add_index(app: Flask) -> None:
    """Send browsers from `/` to the dashboard, give programs a short index, and lead on from unknown paths."""

    @app.get("/")
    def index() -> AnyResponse:
        if wants_html():
            return redirect(request.script_root + _LINKS["dashboard"])
        links = {name: request.script_root + path for name, path in _LINKS.items()}
        return as_json({"service": "Flask-Ingestion", "version": release(), "links": links})

    refuse_unrouted(app)


def wants_html() -> bool:
    """Returns whether the current request comes from a browser, rather than from a program."""
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def refuse_unrouted(app: Flask, queues: Sequence[str] = ()) -> None:
    """Point from unknown paths to the description, and to the queues, where there are several."""

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        return secure(from_http(error, request.script_root, queues, None if queues else near(request.path)))


def answer_unrouted(blueprint: Blueprint, prefix: str) -> None:
    """Answer requests below an instance's prefix, which is not empty, for which the host has no route either."""

    @blueprint.before_app_request
    def before() -> Response | None:
        error = request.routing_exception
        ours = f"{request.path}/".startswith(f"{prefix}/")
        if not (ours and isinstance(error, (NotFound, MethodNotAllowed))):
            return None
        return secure(from_http(error, f"{request.script_root}{prefix}", near=near(request.path.removeprefix(prefix))))
