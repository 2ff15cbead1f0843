"""`/openapi.json`, and `/docs`, which shows it to a person without anything from the network.

The page is Swagger UI as the package flask-swagger-ui ships it, the extra `docs`.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response, abort, render_template_string, send_from_directory

from ..service import Service
from .answers import Answer
from .auth import needs
from .documents import dumps
from .openapi import describe
from .params import root_path
from .problems import problem

_ASSETS = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ name }}: the API</title>
<link rel="icon" href="{{ root }}docs/favicon-32x32.png">
<link rel="stylesheet" href="{{ root }}docs/swagger-ui.css">
<div id="api" data-url="{{ root }}openapi.json"></div>
<script src="{{ root }}docs/swagger-ui-bundle.js"></script>
<script src="{{ root }}docs/start.js"></script>
</html>
"""

_START = """"use strict";
const place = document.getElementById("api");
SwaggerUIBundle({ domNode: place, url: place.dataset.url, validatorUrl: null, docExpansion: "list" });
"""


def add_reference(blueprint: Blueprint, service: Service) -> None:
    """Add the description of the API and the page that shows it; they hold nobody's data, so they need no key."""
    assets = _find_assets()

    @blueprint.get("/openapi.json")
    @needs(None)
    def openapi() -> Response:
        document = describe(service.settings, service.name, root_path().rstrip("/") or "/")
        return Answer(dumps(document))

    @blueprint.get("/docs")
    @needs(None)
    def docs() -> Response:
        if assets is None:
            return problem(501, "This page needs flask-swagger-ui: pip install 'Flask-Ingestion[docs]'.")
        response = Response(render_template_string(_PAGE, name=service.name, root=root_path()))
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    @blueprint.get("/docs/<name>")
    @needs(None)
    def docs_asset(name: str) -> Response:
        if name == "start.js":
            return Response(_START, mimetype="text/javascript")
        if assets is None or name not in _ASSETS:
            abort(404, f"There is no {name} here.")
        return send_from_directory(assets, name, max_age=3600)


def _find_assets() -> Path | None:
    # Found, not imported: only its files are needed.
    spec = find_spec("flask_swagger_ui")
    return (
        Path(next(iter(spec.submodule_search_locations))) / "dist" if spec and spec.submodule_search_locations else None
    )
