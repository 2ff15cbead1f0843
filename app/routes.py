"""The JSON API: a blueprint around one Service."""

from __future__ import annotations

import functools
import hashlib
import math
from typing import Any, TypeVar

from flask import Blueprint, Request, Response, abort, request, stream_with_context
from werkzeug.exceptions import HTTPException
from werkzeug.urls import iri_to_uri

from .config import Settings
from .core import Estimate, Priority, Status
from .errors import Fault, IngestError, InvalidRequest, StoreUnavailable
from .keys import Role
from .service import Service
from .web import (
    Answer,
    Guard,
    add_login,
    dispatch_document,
    dumps,
    from_error,
    from_http,
    ingestion_document,
    needs,
    parse_request,
    problem,
    queue_document,
    quote_document,
    refuse_foreign,
    result_lines,
    secure,
    status_head,
    status_page,
)

E = TypeVar("E", Priority, Status)

_PAGE = 50
"""Ingestions on a page of the listing, where the caller does not say."""

_PAGE_MAX = 1000
_NEXT = 10
"""Batches that the queue's page looks ahead."""


def make_blueprint(name: str, service: Service) -> Blueprint:
    """The routes of one instance, under the endpoint prefix `name`."""
    blueprint = Blueprint(name, __name__)
    blueprint.register_error_handler(IngestError, from_error)
    blueprint.register_error_handler(HTTPException, from_http)
    guard = Guard(service)
    blueprint.after_request(secure)

    @blueprint.before_request
    def before() -> Response | None:
        this = _current()
        refusal = refuse_foreign(this) or guard.check(this)
        if refusal is None:
            service.begin()
        return refusal

    add_login(blueprint, guard)

    @blueprint.post("/ingest")
    @needs(Role.SUBMIT)
    def ingest() -> Response:
        this = _current()
        try:
            body, key = _body(this, service.settings), _idempotency_key(this)
        except (HTTPException, InvalidRequest) as error:
            service.refused(error)
            raise
        ingestion = service.accept(body, key=key, owner=guard.caller().name)
        location = f"{_beside(this.root_path, this.path)}status/{ingestion.id}"
        return Answer(f'{{"ingestion_id":"{ingestion.id}"}}', 200, [("Location", location)])

    @blueprint.get("/status/<ingestion_id>")
    @needs(Role.READ)
    def status(ingestion_id: str) -> Response:
        limit, offset = None, 0
        if _current().query_string:
            limit = _count("limit", None, least=0)
            offset = _count("offset", 0, least=0) or 0
        return _status(service, ingestion_id, offset, limit)

    @blueprint.post("/status/<ingestion_id>/cancel")
    @needs(Role.SUBMIT)
    def cancel(ingestion_id: str) -> Response:
        service.cancel(ingestion_id)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/redrive")
    @needs(Role.OPERATE)
    def redrive(ingestion_id: str) -> Response:
        service.redrive(ingestion_id)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.get("/results/<ingestion_id>")
    @needs(Role.READ)
    def results(ingestion_id: str) -> Response:
        lines = result_lines(service.store.results(ingestion_id))
        return Response(stream_with_context(lines), mimetype="application/x-ndjson")

    @blueprint.post("/quote")
    @needs(Role.SUBMIT)
    def quote() -> Response:
        return _json(quote_document(service.quote(_body(_current(), service.settings))))

    @blueprint.get("/ingestions")
    @needs(Role.READ)
    def ingestions() -> Response:
        limit = _count("limit", _PAGE, least=1, most=_PAGE_MAX) or _PAGE
        page = service.store.ingestions(
            status=_one_of("status", {status.value: status for status in Status}),
            priority=_one_of("priority", Priority.__members__),
            owner=guard.caller().scope,
            before=_count("cursor", None, least=0),
            limit=limit,
        )
        cursor = str(page[-1].order) if len(page) == limit else None
        found = [ingestion_document(ingestion) for ingestion in page]
        return _json({"ingestions": found, "next_cursor": cursor})

    @blueprint.get("/queue")
    @needs(Role.READ)
    def queue() -> Response:
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/pause")
    @needs(Role.OPERATE)
    def pause() -> Response:
        service.pause()
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/resume")
    @needs(Role.OPERATE)
    def resume() -> Response:
        service.resume()
        return _queue(service, guard.caller().scope)

    @blueprint.get("/dispatches")
    @needs(Role.OPERATE)
    def dispatches() -> Response:
        limit = _count("limit", service.settings.dispatch_log, least=1) or 1
        log = [dispatch_document(dispatch) for dispatch in service.store.dispatches(limit)]
        return _json({"interval": service.settings.interval, "burst": service.settings.burst, "dispatches": log})

    @blueprint.get("/livez")
    @needs(None)
    def livez() -> Response:
        return _health(service.worker.state, "dead")

    @blueprint.get("/readyz")
    @needs(None)
    def readyz() -> Response:
        try:
            service.store.ping()
        except StoreUnavailable as error:
            return from_error(error)
        return _health("stopping" if service.ending else service.worker.state, "dead", "stopping")

    return blueprint


def _json(document: Any) -> Response:
    return Answer(dumps(document))


@functools.lru_cache(16)
def _beside(root: str, path: str) -> str:
    """The folder of /ingest, under whatever prefix, as a URI; url_for takes far longer to find out."""
    return iri_to_uri(root + path.removesuffix("ingest"))


def _current() -> Request:
    """The request itself: every look at it through Flask's proxy costs as much as what is looked at."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]
    return current


def _body(request: Request, settings: Settings) -> Any:
    """The request's JSON, once its size and media type are right."""
    request.max_content_length = settings.max_body
    kind = request.mimetype
    if kind != "application/json" and not kind.endswith("+json"):
        abort(415, f"Send application/json, not {kind or 'a body without a Content-Type'}.")
    return parse_request(request.get_data(cache=False), settings)


def _idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), quoted or bare."""
    # Not from request.headers, which makes an error page for every header that is not there.
    header: str | None = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not 0 < len(key) <= 255 or not key.isprintable() or not key.isascii():
        detail = "The Idempotency-Key header must hold 1 to 255 printable ASCII characters."
        raise InvalidRequest([Fault("header Idempotency-Key", detail)])
    return key


def _status(service: Service, ingestion_id: str, offset: int, limit: int | None) -> Response:
    ingestion, estimate, batches = service.store.status(ingestion_id, offset, limit)
    head = status_head(ingestion, estimate)
    tag = hashlib.sha1(head.encode() + batches.mark(), usedforsecurity=False).hexdigest()[:20]
    headers = [("ETag", f'W/"{tag}"')]
    if estimate:
        headers.append(("Retry-After", _next_look(service, estimate)))
    this = _current()
    known = "HTTP_IF_NONE_MATCH" in this.environ and this.if_none_match.contains_weak(tag)
    if known and this.method in ("GET", "HEAD"):
        return Response(status=304, headers=headers)
    return Answer(status_page(head, batches), 200, headers, kept=True)


def _next_look(service: Service, estimate: Estimate) -> str:
    """In how many seconds the page can next differ; while the queue is paused, an interval."""
    seconds = service.settings.interval
    if estimate.next_change is not None:
        seconds = estimate.next_change - service.clock.now()
    return str(max(1, math.ceil(seconds)))


def _queue(service: Service, scope: str | None) -> Response:
    upcoming = service.store.upcoming(_NEXT, owner=scope)
    return _json(queue_document(service.store.stats(), upcoming, service.worker.state))


def _health(state: str, *bad: str) -> Response:
    if state in bad:
        return problem(503, f"The worker is {state}.")
    return _json({"status": "ok", "worker": state})


def _count(name: str, default: int | None, *, least: int, most: int = 2**63 - 1) -> int | None:
    """A whole number from the query string."""
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        bound = f"from {least} to {most}" if most < 2**63 - 1 else f"of at least {least}"
        raise InvalidRequest([Fault(f"query {name}", f"{name} must be a whole number {bound}.")])
    return int(text)


def _one_of(name: str, members: Any) -> Any:
    """One of some words from the query string."""
    text = request.args.get(name)
    if text is None:
        return None
    if text not in members:
        raise InvalidRequest([Fault(f"query {name}", f"{name} must be one of {', '.join(members)}.")])
    return members[text]
