"""The page for the person on call: a blueprint around one Service."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from flask import Blueprint, Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..core import LONGEST_ID, Priority, Status, batch_count, dumps
from ..errors import Fault, InvalidRequest, StoreUnavailable, UnknownIngestion
from ..keys import Role
from ..service import Service
from ..web import (
    FAILURE_FILTERS,
    FILTERS,
    Answer,
    Caller,
    Guard,
    audit_document,
    count_member,
    failure_filter,
    filter_members,
    listing_document,
    needs,
    quote_document,
    status_member,
    worker_document,
)
from . import data
from .docs import add_docs
from .queues import queues_document, services

__all__ = ["add_docs", "make_dashboard"]

_HERE = Path(__file__).parent
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_ANY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_ROWS = 25
"""Ingestions on a page."""

_COUNTED = 1000
"""Ingestions counted in each status: with more, a page would take a part of each look to count them."""

Page: TypeAlias = "str | tuple[str, int] | AnyResponse"


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

    def page(view: Callable[..., Page]) -> Callable[..., Page]:
        """Returns the view with its caller, or with the sign-in form in its place."""

        @needs(None)
        @functools.wraps(view)
        def shown(**values: str) -> Page:
            who = guard.identify()
            return (render("login", None), 401) if who is None else view(who, **values)

        return shown

    def render(view: str, who: Caller | None, **values: Any) -> str:
        role = who.role if who else None
        return render_template(
            f"flask_ingestion/{view}.html",
            view=view,
            name=service.name,
            settings=service.settings,
            queues=[one.name for one in services()],
            api=(request.blueprint or "").rpartition(".")[0],
            caller=who and who.name,
            may_look=role is not None,
            may_submit=role is not None and role >= Role.SUBMIT,
            may_operate=role is not None and role >= Role.OPERATE,
            **values,
        )

    @blueprint.get("", strict_slashes=False)
    @page
    def overview(who: Caller) -> Page:
        callers = sorted({key.name for key in service.settings.api_keys}) if who.role >= Role.OPERATE else ()
        return render("overview", who, statuses=list(Status), priorities=list(Priority), callers=callers)

    @blueprint.get("/data")
    @needs(Role.READ, *FILTERS, "cursor")
    def overview_data() -> Response:
        scope = guard.caller().scope
        where = filter_members(scope, service.clock.now())
        listed = service.store.ingestions(where, before=count_member("cursor"), limit=_ROWS)
        counts = service.store.count(where, most=_COUNTED)
        listing = {**listing_document(listed, _ROWS), "counts": counts, "counted": _COUNTED}
        return _json({**data.queue(service, scope), **listing})

    @blueprint.get("/queues")
    @page
    def queues(who: Caller) -> Page:
        return render("queues", who)

    @blueprint.get("/queues/data")
    @needs(Role.READ)
    def queues_data() -> Response:
        return _json(queues_document(guard.shown(), service.clock.now()))

    @blueprint.get("/failures")
    @page
    def failures(who: Caller) -> Page:
        return render("failures", who, priorities=list(Priority))

    @blueprint.get("/failures/data")
    @needs(Role.READ, *FAILURE_FILTERS)
    def failures_data() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        sees_all = guard.caller().scope is None
        return _json({**data.state(service), **data.failures(service, where), **data.sweeps(service, shown=sees_all)})

    @blueprint.get("/search")
    @page
    def search(who: Caller) -> Page:
        text = request.args.get("id", "").strip()
        # Text around an id, as in a copied address or log line, is ignored.
        whole = _ANY_ID.search(text.lower())
        try:
            if whole and (found := _known(service, whole.group(), who)):
                return redirect(url_for(".ingestion", ingestion_id=found), 303)
            known = data.search(service, text, who.scope)
        except StoreUnavailable:
            return render("search", who, sought=text)
        named = known["ingestions"]
        if known["found"] or len(named) > 1:
            return render("search", who, sought=text)
        if named:
            return redirect(url_for(".ingestion", ingestion_id=named[0]), 303)
        return render("refusal", who, title="No such ingestion or id", why=known["extent"], sought=text), 404

    @blueprint.get("/search/data")
    @needs(Role.READ, "id")
    def search_data() -> Response:
        text = request.args.get("id")
        found = {} if text is None else data.search(service, text, guard.caller().scope)
        return _json({**data.state(service), **found})

    @blueprint.get("/ingestions/<ingestion_id>")
    @page
    def ingestion(who: Caller, ingestion_id: str) -> Page:
        try:
            found, batch = guard.find(ingestion_id, who)
            service.store.get(found)
        except UnknownIngestion as error:
            return render("refusal", who, title="No such ingestion", why=str(error), sought=ingestion_id), 404
        except StoreUnavailable:
            # The page itself says so and keeps asking.
            found, batch = ingestion_id, None
        if batch is not None:
            offset = batch - batch % data.BATCHES
            return redirect(url_for(".ingestion", ingestion_id=found, offset=offset, batch=batch + 1), 303)
        return render("ingestion", who, ingestion_id=found, statuses=list(Status), priorities=list(Priority))

    @blueprint.get("/ingestions/<ingestion_id>/data")
    @needs(Role.READ, "offset", "status")
    def ingestion_data(ingestion_id: str) -> Response:
        return _json(data.ingestion(service, ingestion_id, count_member("offset") or 0, status_member()))

    @blueprint.get("/ingestions/<ingestion_id>/failed")
    @needs(Role.READ, "from")
    def failed(ingestion_id: str) -> Response:
        return _json({"position": data.next_failed(service, ingestion_id, count_member("from") or 0)})

    @blueprint.get("/audit")
    @page
    def audit(who: Caller) -> Page:
        if who.role < Role.OPERATE:
            return render("refusal", who, title="Not allowed", why=f"The key of {who.name} does not operate."), 403
        return render("audit", who)

    @blueprint.get("/audit/data")
    @needs(Role.OPERATE, "limit")
    def audit_data() -> Response:
        limit = count_member("limit", _ROWS, least=1, most=1000) or _ROWS
        workers = [worker_document(one) for one in service.store.workers()]
        page = audit_document(service.store.audits(limit), limit)
        return _json({**data.state(service), **page, "workers": workers})

    @blueprint.get("/submit")
    @page
    def submit(who: Caller) -> Page:
        if who.role < Role.SUBMIT:
            why = f"The key of {who.name} may look, but not submit."
            return render("refusal", who, title="Not allowed", why=why), 403
        return render("submit", who, priorities=list(Priority), longest=LONGEST_ID)

    @blueprint.get("/submit/quote")
    @needs(Role.SUBMIT, "ids")
    def quote() -> Response:
        count = count_member("ids", least=1, most=service.settings.max_ids)
        if count is None:
            raise InvalidRequest([Fault("query ids", "ids, the number of ids, is missing.")])
        quotes = service.store.quote(batch_count(count, service.settings.batch_size), guard.caller().name)
        return _json({**data.state(service), "quote": quote_document(quotes)})

    return blueprint


def _known(service: Service, text: str, who: Caller) -> str | None:
    """Returns the id of an ingestion or a batch if there is such a one."""
    try:
        service.find(text, who.scope)
    except UnknownIngestion:
        return None
    return text


def _json(document: Any) -> Response:
    return Answer(dumps(document))


def _version() -> str:
    digest = hashlib.sha256()
    for path in sorted((_HERE / "static").iterdir()):
        digest.update(path.read_bytes())
    return f"static-{digest.hexdigest()[:12]}"
