"""`/` of the standalone service, and what it says to a path or a method that it does not have."""

from __future__ import annotations

from flask import Flask, Response, redirect, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response as AnyResponse

from ..config import release
from ..core import dumps
from .answers import Answer, secure
from .problems import from_http, problem

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
    """Send browsers from `/` to the dashboard, give programs a short index, and name what would be right."""

    @app.get("/")
    def index() -> AnyResponse:
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            return redirect(_LINKS["dashboard"])
        return secure(Answer(dumps({"service": "Flask-Ingestion", "version": release(), "links": _LINKS})))

    @app.errorhandler(HTTPException)
    def refuse(error: HTTPException) -> Response:
        detail = None
        if isinstance(error, NotFound) and error.description == NotFound.description:
            detail = f"There is no {request.path} here; GET / lists what there is."
        elif isinstance(error, MethodNotAllowed) and error.valid_methods:
            detail = f"{request.path} takes {', '.join(sorted(error.valid_methods))}, not {request.method}."
        if detail is None:
            return secure(from_http(error))
        response = problem(error.code or 500, detail)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return secure(response)
