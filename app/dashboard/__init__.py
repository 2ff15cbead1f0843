"""The page for the person on call: a blueprint around one Service."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..documents import dumps, quote_document
from ..errors import StoreUnavailable, UnknownIngestion
from ..models import Priority, Status, batch_count
from ..service import Service
from . import data

_HERE = Path(__file__).parent
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_INGESTION_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_ROWS = 25
"""Ingestions on a page."""


def anyone() -> bool:
    """Whether the caller may operate the queue, where no keys say otherwise."""
    return True


def make_dashboard(service: Service, may_operate: Callable[[], bool] = anyone) -> Blueprint:
    """The dashboard of one instance, to be nested in the blueprint of its routes.

    It reads from endpoints of its own and changes things through the JSON API, as any other client does. `may_operate`
    is asked, per request, whether to offer pause, cancel and redrive; the API decides whether they are granted.
    """
    # The assets' address changes with what they hold, so that a browser's cache never mixes two versions.
    blueprint = Blueprint(
        "dashboard", __name__, template_folder="templates", static_folder="static", static_url_path=f"/{_version()}"
    )

    @blueprint.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        if request.endpoint and not request.endpoint.endswith(".static"):
            response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.get("", strict_slashes=False)
    def overview() -> str:
        return _page("overview", statuses=list(Status), priorities=list(Priority))

    @blueprint.get("/data")
    def overview_data() -> Response:
        rows = service.store.ingestions(
            status=_one_of("status", Status, lambda status: status.value),
            priority=_one_of("priority", Priority, lambda priority: priority.name),
            before=_count("cursor", None),
            limit=_ROWS,
        )
        return _json({**data.queue(service), **data.rows(rows, _ROWS)})

    @blueprint.get("/search")
    def search() -> AnyResponse:
        text = request.args.get("id", "").strip()
        # Whatever surrounds an id, as in a copied address or log line, is put up with.
        found = _INGESTION_ID.search(text.lower())
        return redirect(url_for(".ingestion", ingestion_id=found.group() if found else text or "?"), 303)

    @blueprint.get("/ingestions/<ingestion_id>")
    def ingestion(ingestion_id: str) -> tuple[str, int]:
        try:
            service.get(ingestion_id)
        except UnknownIngestion as error:
            return _page("unknown", sought=ingestion_id, why=str(error)), 404
        except StoreUnavailable:
            # The page itself says so, and goes on asking.
            pass
        return _page("ingestion", ingestion_id=ingestion_id), 200

    @blueprint.get("/ingestions/<ingestion_id>/data")
    def ingestion_data(ingestion_id: str) -> Response:
        return _json(data.ingestion(service, ingestion_id, _count("offset", 0) or 0))

    @blueprint.get("/ingestions/<ingestion_id>/failed")
    def failed(ingestion_id: str) -> Response:
        return _json({"position": data.next_failed(service, ingestion_id, _count("from", 0) or 0)})

    @blueprint.get("/submit")
    def submit() -> str:
        return _page("submit", priorities=list(Priority))

    @blueprint.get("/submit/quote")
    def quote() -> Response:
        count = _count("ids", None)
        if not count or count > service.settings.max_ids:
            abort(422, f"ids must be how many ids there are, from 1 to {service.settings.max_ids}.")
        quotes = service.store.quote(batch_count(count, service.settings.batch_size))
        return _json({**data.state(service), "quote": quote_document(quotes)})

    def _page(view: str, **values: Any) -> str:
        return render_template(
            f"flask_ingestion/{view}.html",
            view=view,
            name=service.name,
            settings=service.settings,
            api=(request.blueprint or "").rpartition(".")[0],
            may_operate=may_operate(),
            **values,
        )

    return blueprint


def _json(document: Any) -> Response:
    return Response(dumps(document), mimetype="application/json")


def _count(name: str, default: int | None) -> int | None:
    """A whole number from the query string; these addresses are made by the page, so anything else is no address."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        abort(404)
    return int(text)


def _one_of(name: str, kind: Any, word: Callable[[Any], str]) -> Any:
    text = request.args.get(name)
    if not text:
        return None
    return next((member for member in kind if word(member) == text), None) or abort(404)


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted((_HERE / "static").iterdir()):
        digest.update(path.read_bytes())
    return f"static-{digest.hexdigest()[:12]}"
