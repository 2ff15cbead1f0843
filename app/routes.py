"""The JSON API: a blueprint around one Service."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from flask import Blueprint, Response, abort, g, stream_with_context
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import HTTPException

from .config import Settings
from .core import ASK_AGAIN, Estimate, Status, check_priority, check_sweep, dumps, grouped
from .errors import IngestError, InvalidRequest, StoreUnavailable
from .keys import Role
from .service import Service
from .web import (
    FAILURE_FILTERS,
    FILTERS,
    PAUSABLE,
    Answer,
    AnyText,
    Caller,
    Guard,
    add_login,
    attempts_document,
    audit_document,
    count_member,
    current,
    dispatch_document,
    failure_filter,
    failure_lines,
    failures_document,
    filter_members,
    from_error,
    from_http,
    idempotency_key,
    lines_type,
    listing_document,
    needs,
    parse_request,
    pauses_member,
    problem,
    queue_document,
    quote_document,
    rate_document,
    refuse_foreign,
    result_lines,
    root_path,
    search_text,
    secure,
    spot_member,
    status_head,
    status_member,
    status_page,
    sweep_document,
    with_failed,
    worker_member,
)

_PAGE = 50
"""Ingestions on a page of the listing, where the caller does not say."""

_PAGE_MAX = 1000
_SWEEPS = 20
"""Sweeps listed, where the caller does not say."""

_PLACES = 20
"""Places of an id, where the caller does not say."""

_NEXT = 10
"""Batches that the queue's page looks ahead."""

_CALLERS = 100
"""Callers that it shows."""


def make_blueprint(name: str, service: Service) -> Blueprint:
    """Returns the routes of one instance, under the endpoint prefix `name`."""
    blueprint = Blueprint(name, __name__)
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

    @blueprint.post("/ingest")
    @needs(Role.SUBMIT)
    def ingest() -> Response:
        try:
            body, key = _body(service.settings), idempotency_key()
        except (HTTPException, InvalidRequest) as error:
            service.refused(error)
            raise
        ingestion = service.accept(body, key=key, owner=guard.caller().name)
        location = f"{root_path()}status/{ingestion.id}"
        return Answer(f'{{"ingestion_id":"{ingestion.id}"}}', 200, [("Location", location)])

    @blueprint.get("/status/<ingestion_id>")
    @needs(Role.READ, "status", "offset", "limit")
    def status(ingestion_id: str) -> Response:
        batch: int | None = g.ingestion_batch  # named by its own id
        only = status_member()
        offset, limit = (0, None) if batch is None or only else (batch, 1)
        return _status(service, ingestion_id, count_member("offset", offset) or 0, count_member("limit", limit), only)

    @blueprint.post("/status/<ingestion_id>/cancel")
    @needs(Role.SUBMIT)
    def cancel(ingestion_id: str) -> Response:
        service.cancel(ingestion_id, guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/redrive")
    @needs(Role.OPERATE)
    def redrive(ingestion_id: str) -> Response:
        service.redrive(ingestion_id, guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/move")
    @needs(Role.OPERATE)
    def move(ingestion_id: str) -> Response:
        service.move(ingestion_id, check_priority(_body(service.settings)), guard.caller().name)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.post("/status/<ingestion_id>/callback/redrive")
    @needs(Role.OPERATE)
    def redrive_callback(ingestion_id: str) -> Response:
        service.redrive_callback(ingestion_id)
        return _status(service, ingestion_id, 0, 0)

    @blueprint.get("/results/<ingestion_id>")
    @needs(Role.READ, "include")
    def results(ingestion_id: str) -> Response:
        lines = result_lines(service.store.results(ingestion_id, failed=with_failed()))
        return Response(stream_with_context(lines), mimetype=lines_type())

    @blueprint.get("/attempts/<ingestion_id>")
    @needs(Role.READ, "offset", "limit")
    def attempts(ingestion_id: str) -> Response:
        batch: int | None = g.ingestion_batch
        offset, limit = (0, _PAGE) if batch is None else (batch, 1)
        found = service.store.attempts(
            ingestion_id,
            count_member("offset", offset) or 0,
            count_member("limit", limit, least=1, most=_PAGE_MAX),
        )
        with_hosts = guard.caller().scope is None
        return _json(attempts_document(service.settings, service.store.stats(), *found, with_hosts=with_hosts))

    @blueprint.post("/quote")
    @needs(Role.SUBMIT)
    def quote() -> Response:
        return _json(quote_document(service.quote(_body(service.settings), guard.caller().name)))

    @blueprint.get("/ingestions")
    @needs(Role.READ, *FILTERS, "limit", "cursor")
    def ingestions() -> Response:
        limit = count_member("limit", _PAGE, least=1, most=_PAGE_MAX) or _PAGE
        page = service.store.ingestions(
            filter_members(guard.caller().scope, service.clock.now()),
            before=count_member("cursor"),
            limit=limit,
        )
        return _json(listing_document(page, limit))

    @blueprint.post("/ingestions/redrive")
    @needs(Role.OPERATE)
    def redrive_all() -> Response:
        return _sweep(service, guard.caller(), "redrive")

    @blueprint.post("/ingestions/cancel")
    @needs(Role.OPERATE)
    def cancel_all() -> Response:
        return _sweep(service, guard.caller(), "cancel")

    @blueprint.get("/sweeps")
    @needs(Role.OPERATE, "limit")
    def sweeps() -> Response:
        limit = count_member("limit", _SWEEPS, least=1, most=_PAGE_MAX) or _SWEEPS
        return _json({"sweeps": [sweep_document(sweep) for sweep in service.store.sweeps.latest(limit)]})

    @blueprint.get("/sweeps/<sweep_id>")
    @needs(Role.OPERATE)
    def sweep(sweep_id: str) -> Response:
        found = service.store.sweeps.get(sweep_id)
        if found is None:
            abort(404, "There is no such sweep; finished ones are forgotten after a while.")
        return _json(sweep_document(found))

    @blueprint.get("/failures")
    @needs(Role.READ, *FAILURE_FILTERS, "limit", "cursor")
    def failures() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        limit = count_member("limit", _PAGE, least=1, most=_PAGE_MAX) or _PAGE
        return _json(failures_document(*grouped(service.store.failures(where), limit, spot_member())))

    @blueprint.get("/failures/ids")
    @needs(Role.READ, *FAILURE_FILTERS)
    def failed_ids() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        lines = failure_lines(service.store.failures(where, ids=True))
        return Response(stream_with_context(lines), mimetype=lines_type())

    @blueprint.get("/ids/<any_text:record_id>")
    @needs(Role.READ, "limit")
    def where(record_id: str) -> Response:
        limit = count_member("limit", _PLACES, least=1, most=_PAGE_MAX) or _PLACES
        return Answer(search_text(record_id, service.where(record_id, owner=guard.caller().scope, limit=limit)))

    @blueprint.get("/queue")
    @needs(Role.READ)
    def queue() -> Response:
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/pause")
    @needs(Role.OPERATE, *PAUSABLE)
    def pause() -> Response:
        service.pause(guard.caller().name, pauses_member())
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/resume")
    @needs(Role.OPERATE, *PAUSABLE)
    def resume() -> Response:
        service.resume(guard.caller().name, pauses_member())
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/hold/end")
    @needs(Role.OPERATE)
    def end_hold() -> Response:
        service.end_hold(guard.caller().name)
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/rate")
    @needs(Role.OPERATE)
    def change_rates() -> Response:
        service.change_rates(_body(service.settings), guard.caller().name)
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/rate/reset")
    @needs(Role.OPERATE)
    def reset_rates() -> Response:
        service.reset_rates(guard.caller().name)
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/concurrency")
    @needs(Role.OPERATE, "worker")
    def change_concurrency() -> Response:
        service.change_concurrency(_body(service.settings), worker_member(), guard.caller().name)
        return _queue(service, guard.caller().scope)

    @blueprint.post("/queue/concurrency/reset")
    @needs(Role.OPERATE, "worker")
    def reset_concurrency() -> Response:
        service.reset_concurrency(worker_member(), guard.caller().name)
        return _queue(service, guard.caller().scope)

    @blueprint.get("/audit")
    @needs(Role.OPERATE, "limit", "cursor")
    def audit() -> Response:
        limit = count_member("limit", _PAGE, least=1, most=_PAGE_MAX) or _PAGE
        return _json(audit_document(service.store.audits(limit, count_member("cursor")), limit))

    @blueprint.get("/dispatches")
    @needs(Role.OPERATE, "limit")
    def dispatches() -> Response:
        limit = count_member("limit", service.settings.dispatch_log, least=1) or 1
        log = [dispatch_document(dispatch) for dispatch in service.store.dispatches(limit)]
        stats = service.store.stats()
        rate = rate_document(stats.rates, service.settings)
        fair = dict(service.settings.fair_weights) if service.settings.fair else None
        return _json({**rate, "fair": fair, "order_since": stats.order_since, "dispatches": log})

    @blueprint.get("/livez")
    @needs(None)
    def livez() -> Response:
        return _health(service.worker.state, "dead", "stuck")

    @blueprint.get("/readyz")
    @needs(None)
    def readyz() -> Response:
        try:
            service.store.ping()
        except StoreUnavailable as error:
            return from_error(error)
        return _health("stopping" if service.shutting_down else service.worker.state, "dead", "stuck", "stopping")

    return blueprint


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["any_text"] = AnyText


def _json(document: Any) -> Response:
    return Answer(dumps(document))


def _body(settings: Settings) -> Any:
    """Returns the request's JSON, once its size and media type are right."""
    this = current()
    this.max_content_length = settings.max_body
    kind = this.mimetype
    if kind != "application/json" and not kind.endswith("+json"):
        abort(415, f"Send application/json, not {kind or 'a body without a Content-Type'}.")
    return parse_request(this.get_data(cache=False), settings)


def _sweep(service: Service, who: Caller, verb: str) -> Response:
    key, request = idempotency_key(), _body(service.settings)
    where, dry_run = check_sweep(verb, request, service.clock.now())
    if dry_run:
        ingestions, batches = service.count_sweep(verb, where)
        return _json({"ingestions": ingestions, "batches": batches})
    return _json(sweep_document(service.sweep(verb, where, request, by=who.name, key=key)))


def _status(
    service: Service, ingestion_id: str, offset: int, limit: int | None, only: Status | None = None
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


def _queue(service: Service, scope: str | None) -> Response:
    upcoming = service.store.upcoming(_NEXT, owner=scope)
    # Hosts and processes are an operator's business.
    workers = [] if scope else service.store.workers()
    callers = service.store.callers(_CALLERS, owner=scope)
    stats, state = service.store.stats(), service.worker.state
    return _json(queue_document(service.settings, stats, upcoming, state, workers, scope, callers))


def _health(state: str, *bad: str) -> Response:
    if state in bad:
        return problem(503, f"The worker is {state}.")
    return _json({"status": "ok", "worker": state})
