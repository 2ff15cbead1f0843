"""The routes of the API: a blueprint around one Service."""

from __future__ import annotations

import hashlib
import math

from flask import Blueprint, Response, stream_with_context
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from .core import ASK_AGAIN, Estimate, Status, check_priority, grouped
from .errors import IngestError, InvalidRequest
from .keys import Role
from .service import Service
from .web import (
    FAILURE_FILTERS,
    FEW,
    FILTERS,
    PAGE,
    Answer,
    Guard,
    Routes,
    add_description,
    add_login,
    add_metrics,
    add_probes,
    add_steering,
    as_json,
    attempts_document,
    count_member,
    current,
    failure_filter,
    failure_lines,
    failures_document,
    filter_members,
    from_error,
    from_http,
    idempotency_key,
    lines_type,
    listing_document,
    named_batch,
    needs,
    page_member,
    quote_document,
    read_body,
    refuse_foreign,
    result_lines,
    root_path,
    search_text,
    secure,
    spot_member,
    status_head,
    status_member,
    status_page,
    with_failed,
)


def make_blueprint(name: str, service: Service) -> Blueprint:
    """Returns the routes of one instance, under the endpoint prefix `name`."""
    blueprint = Routes(name, __name__, service.settings)
    blueprint.register_error_handler(IngestError, from_error)
    blueprint.register_error_handler(HTTPException, from_http)
    guard = Guard(service)
    blueprint.after_request(secure)
    blueprint.record(_add_converter)

    @blueprint.before_request
    def before() -> Response | None:
        this = current()
        refusal = refuse_foreign(this, service.settings.allowed_origins) or guard.check(this)
        if refusal is None:
            service.ensure_started()
        return refusal

    add_login(blueprint, guard)
    _add_submit(blueprint, service, guard)
    _add_follow(blueprint, service, guard)
    _add_listings(blueprint, service, guard)
    _add_commands(blueprint, service, guard)
    add_steering(blueprint, service, guard)
    add_probes(blueprint, service)
    add_metrics(blueprint, service)
    add_description(blueprint, service)
    return blueprint


class AnyText(BaseConverter):
    """Lets a part of a path be any text: an id may hold slashes, at its beginning too."""

    regex = "(?s:.+)"
    part_isolating = False


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["any_text"] = AnyText


def _add_submit(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes that take ids."""

    @blueprint.post("/ingest")
    @needs(Role.SUBMIT, body=True)
    def ingest() -> Response:
        try:
            body, key = read_body(service.settings), idempotency_key()
        except (HTTPException, InvalidRequest) as error:
            service.refused(error)
            raise
        ingestion = service.accept(body, key=key, owner=guard.caller().name)
        location = f"{root_path()}status/{ingestion.id}"
        return Answer(f'{{"ingestion_id":"{ingestion.id}"}}', 200, [("Location", location)])

    @blueprint.post("/quote")
    @needs(Role.SUBMIT, body=True)
    def quote() -> Response:
        return as_json(quote_document(service.quote(read_body(service.settings), guard.caller().name)))


def _add_follow(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes that say where an ingestion stands, and where an id is."""

    @blueprint.get("/status/<ingestion_id>")
    @needs(Role.READ, "status", "offset", "limit")
    def status(ingestion_id: str) -> Response:
        batch = named_batch()
        if batch is None and not current().query_string:  # To look for each member costs 2 % of a request.
            return _status(service, ingestion_id)
        only = status_member()
        offset, limit = (0, None) if batch is None or only else (batch, 1)
        return _status(service, ingestion_id, count_member("offset", offset), count_member("limit", limit), only)

    @blueprint.get("/results/<ingestion_id>")
    @needs(Role.READ, "include")
    def results(ingestion_id: str) -> Response:
        lines = result_lines(service.store.results(ingestion_id, failed=with_failed()))
        return Response(stream_with_context(lines), mimetype=lines_type())

    @blueprint.get("/attempts/<ingestion_id>")
    @needs(Role.READ, "offset", "limit")
    def attempts(ingestion_id: str) -> Response:
        batch = named_batch()
        offset, limit = (0, PAGE) if batch is None else (batch, 1)
        found = service.store.attempts(ingestion_id, count_member("offset", offset), page_member(limit))
        with_hosts = guard.caller().scope is None
        return as_json(attempts_document(service.settings, service.stats(), *found, with_hosts=with_hosts))

    @blueprint.get("/ids/<any_text:record_id>")
    @needs(Role.READ, "limit")
    def where(record_id: str) -> Response:
        found = service.where(record_id, owner=guard.caller().scope, limit=page_member(FEW))
        return Answer(search_text(record_id, found))


def _add_listings(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes that list ingestions, and what failed."""

    @blueprint.get("/ingestions")
    @needs(Role.READ, *FILTERS, "limit", "cursor")
    def ingestions() -> Response:
        limit = page_member()
        page = service.store.ingestions(
            filter_members(guard.caller().scope, service.clock.now()),
            before=count_member("cursor"),
            limit=limit,
        )
        return as_json(listing_document(page, limit))

    @blueprint.get("/failures")
    @needs(Role.READ, *FAILURE_FILTERS, "limit", "cursor")
    def failures() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        limit = page_member()
        return as_json(failures_document(*grouped(service.store.failures(where), limit, spot_member())))

    @blueprint.get("/failures/ids")
    @needs(Role.READ, *FAILURE_FILTERS)
    def failed_ids() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        lines = failure_lines(service.store.failures(where, ids=True))
        return Response(stream_with_context(lines), mimetype=lines_type())


def _add_commands(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes that change an ingestion."""

    @blueprint.post("/status/<ingestion_id>/cancel")
    @needs(Role.SUBMIT, whole=True)
    def cancel(ingestion_id: str) -> Response:
        service.cancel(ingestion_id, guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/redrive")
    @needs(Role.OPERATE)
    def redrive(ingestion_id: str) -> Response:
        service.redrive(ingestion_id, guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/move")
    @needs(Role.OPERATE, body=True, whole=True)
    def move(ingestion_id: str) -> Response:
        service.move(ingestion_id, check_priority(read_body(service.settings)), guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/callback/redrive")
    @needs(Role.OPERATE)
    def redrive_callback(ingestion_id: str) -> Response:
        service.redrive_callback(ingestion_id, guard.caller().name)
        return _status(service, ingestion_id, 0, 0)


def _status(
    service: Service, ingestion_id: str, offset: int = 0, limit: int | None = None, only: Status | None = None
) -> Response:
    ingestion, estimate, batches = service.store.status(ingestion_id, offset, limit, only=only)
    head = status_head(ingestion, estimate, service.latest_callback(ingestion_id))
    tag = hashlib.sha1(head.encode() + batches.mark(), usedforsecurity=False).hexdigest()[:20]
    headers = [("ETag", f'W/"{tag}"')]
    if estimate:
        headers.append(("Retry-After", _next_look(service, estimate)))
    this = current()
    # Parsing a header that is not there would cost 5 % of a status request.
    known = "HTTP_IF_NONE_MATCH" in this.environ and this.if_none_match.contains_weak(tag)
    if known and this.method in ("GET", "HEAD"):
        return Response(status=304, headers=headers)
    return Answer(status_page(head, batches), 200, headers, kept=True)


def _next_look(service: Service, estimate: Estimate) -> str:
    """Returns the seconds until the page can change; a few while the queue is paused, for nobody knows how long."""
    seconds = ASK_AGAIN
    if estimate.next_change is not None:
        seconds = estimate.next_change - service.clock.now()
    return str(max(1, math.ceil(seconds)))
