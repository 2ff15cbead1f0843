"""The routes of those who operate the queue: its state, what they change, and who changed what."""

from __future__ import annotations

from flask import Blueprint, Response, abort

from ..core import check_sweep, id_prefix
from ..keys import Role
from ..service import Service
from .answers import as_json
from .auth import Caller, Guard
from .body import read_body
from .operations import audit_document, dispatch_document, queue_document, rate_document, sweep_document
from .query import FEW, PAUSABLE, count_member, page_member, pauses_member, worker_member
from .request import idempotency_key
from .requirements import needs

_NEXT = 10
"""Batches that the queue's page looks ahead."""

_CALLERS = 100
"""Callers that it shows."""


def add_steering(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes of the queue as a whole: most are for operators alone."""
    _add_sweeps(blueprint, service, guard)
    _add_logs(blueprint, service)

    @blueprint.get("/queue")
    @needs(Role.READ)
    def queue() -> Response:
        scope = guard.caller().scope
        upcoming, workers = service.store.upcoming(_NEXT, owner=scope), service.workers()
        callers = service.store.callers(_CALLERS, owner=scope)
        return as_json(queue_document(service, service.stats(), upcoming, workers, callers, scope))

    @blueprint.post("/queue/pause")
    @needs(Role.OPERATE, *PAUSABLE)
    def pause() -> Response:
        service.pause(guard.caller().name, pauses_member())
        return queue()

    @blueprint.post("/queue/resume")
    @needs(Role.OPERATE, *PAUSABLE)
    def resume() -> Response:
        service.resume(guard.caller().name, pauses_member())
        return queue()

    @blueprint.post("/queue/hold/end")
    @needs(Role.OPERATE)
    def end_hold() -> Response:
        service.end_hold(guard.caller().name)
        return queue()

    @blueprint.post("/queue/rate")
    @needs(Role.OPERATE, body=True)
    def change_rates() -> Response:
        service.change_rates(read_body(service.settings), guard.caller().name)
        return queue()

    @blueprint.post("/queue/rate/reset")
    @needs(Role.OPERATE)
    def reset_rates() -> Response:
        service.reset_rates(guard.caller().name)
        return queue()

    @blueprint.post("/queue/concurrency")
    @needs(Role.OPERATE, "worker", body=True)
    def change_concurrency() -> Response:
        service.change_concurrency(read_body(service.settings), worker_member(), guard.caller().name)
        return queue()

    @blueprint.post("/queue/concurrency/reset")
    @needs(Role.OPERATE, "worker")
    def reset_concurrency() -> Response:
        service.reset_concurrency(worker_member(), guard.caller().name)
        return queue()


def _add_sweeps(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes that redrive or cancel all that match, and say how far that is."""

    @blueprint.post("/ingestions/redrive")
    @needs(Role.OPERATE, body=True)
    def redrive_all() -> Response:
        return _sweep(service, guard.caller(), "redrive")

    @blueprint.post("/ingestions/cancel")
    @needs(Role.OPERATE, body=True)
    def cancel_all() -> Response:
        return _sweep(service, guard.caller(), "cancel")

    @blueprint.get("/sweeps")
    @needs(Role.OPERATE, "limit")
    def sweeps() -> Response:
        limit = page_member(FEW)
        return as_json({"sweeps": [sweep_document(sweep) for sweep in service.store.sweeps.latest(limit)]})

    @blueprint.get("/sweeps/<sweep_id>")
    @needs(Role.OPERATE)
    def sweep(sweep_id: str) -> Response:
        wanted = id_prefix(sweep_id)
        found = wanted and service.store.sweeps.get(wanted)
        if not found:
            abort(404, "There is no such sweep; finished ones are forgotten after a while.")
        return as_json(sweep_document(found))


def _add_logs(blueprint: Blueprint, service: Service) -> None:
    """Add the routes that say who changed what, and what started."""

    @blueprint.get("/audit")
    @needs(Role.OPERATE, "limit", "cursor")
    def audit() -> Response:
        limit = page_member()
        return as_json(audit_document(service.store.audits(limit, count_member("cursor")), limit))

    @blueprint.get("/dispatches")
    @needs(Role.OPERATE, "limit")
    def dispatches() -> Response:
        limit = count_member("limit", service.settings.dispatch_log, least=1)
        log = [dispatch_document(dispatch) for dispatch in service.store.dispatches(limit)]
        stats = service.store.stats()
        rate = rate_document(stats.rates, service.settings)
        fair = dict(service.settings.fair_weights) if service.settings.fair else None
        return as_json({**rate, "fair": fair, "order_since": stats.order_since, "dispatches": log})


def _sweep(service: Service, who: Caller, verb: str) -> Response:
    key, request = idempotency_key(), read_body(service.settings)
    where, dry_run = check_sweep(verb, request, service.clock.now())
    if dry_run:
        ingestions, batches = service.count_sweep(verb, where)
        return as_json({"ingestions": ingestions, "batches": batches})
    return as_json(sweep_document(service.sweep(verb, where, request, by=who.name, key=key)))
