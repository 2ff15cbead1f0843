"""The page for the person on call: a blueprint around one Service."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Blueprint, Response, request

from ..service import Service
from ..web import Guard
from .docs import add_docs
from .feeds import add_feeds
from .pages import add_pages

__all__ = ["add_docs", "make_dashboard"]

_HERE = Path(__file__).parent
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def make_dashboard(service: Service) -> Blueprint:
    """Returns the dashboard of one instance, to be nested in the blueprint of its routes, whose guards it relies on.

    It reads from endpoints of its own and changes things through the JSON API, as any other client does. A page offers
    what its caller's role allows, and asks for a key where there is none; the API decides what is granted.
    """
    guard = Guard(service)
    # The assets' address changes with what they hold, so that a browser's cache never mixes two versions.
    blueprint = Blueprint(
        "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path=f"/{_version()}"
    )

    @blueprint.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        static = request.endpoint and request.endpoint.endswith(".static") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if static else "no-store"
        return response

    add_pages(blueprint, service, guard)
    add_feeds(blueprint, service, guard)
    return blueprint


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted((_HERE / "static").iterdir()):
        digest.update(path.read_bytes())
    return f"static-{digest.hexdigest()[:12]}"
