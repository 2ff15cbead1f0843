"""What the pages read, as JSON: each page's own, and what it asks for meanwhile."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..core import batch_count
from ..errors import Fault, InvalidRequest
from ..keys import Role
from ..service import Service
from ..web import (
    FAILURE_FILTERS,
    FILTERS,
    PAGE_MAX,
    Guard,
    as_json,
    audit_document,
    count_member,
    failure_filter,
    filter_members,
    listing_document,
    needs,
    status_member,
    worker_document,
)
from . import data
from .queues import queues_document

_ROWS = 25
"""Ingestions on a page."""

_COUNTED = 1000
"""Ingestions counted in each status: with more, a page would take a part of each look to count them."""


def add_feeds(blueprint: Blueprint, service: Service, guard: Guard) -> None:
    """Add the routes from which the pages' scripts read."""

    @blueprint.get("/data")
    @needs(Role.READ, *FILTERS, "cursor")
    def overview_data() -> Response:
        scope = guard.caller().scope
        where = filter_members(scope, service.clock.now())
        listed = service.store.ingestions(where, before=count_member("cursor"), limit=_ROWS)
        counts = service.store.count(where, most=_COUNTED)
        listing = {**listing_document(listed, _ROWS), "counts": counts, "counted": _COUNTED}
        return as_json({**data.queue(service, scope), **listing})

    @blueprint.get("/queues/data")
    @needs(Role.READ)
    def queues_data() -> Response:
        return as_json(queues_document(guard.shown(), service.clock.now()))

    @blueprint.get("/failures/data")
    @needs(Role.READ, *FAILURE_FILTERS)
    def failures_data() -> Response:
        where = failure_filter(guard.caller().scope, service.clock.now())
        sees_all = guard.caller().scope is None
        return as_json({**data.state(service), **data.failures(service, where), **data.sweeps(service, shown=sees_all)})

    @blueprint.get("/search/data")
    @needs(Role.READ, "id")
    def search_data() -> Response:
        text = request.args.get("id")
        found = {} if text is None else data.search(service, text, guard.caller().scope)
        return as_json({**data.state(service), **found})

    @blueprint.get("/ingestions/<ingestion_id>/data")
    @needs(Role.READ, "offset", "status")
    def ingestion_data(ingestion_id: str) -> Response:
        return as_json(data.ingestion(service, ingestion_id, count_member("offset", 0), status_member()))

    @blueprint.get("/ingestions/<ingestion_id>/failed")
    @needs(Role.READ, "from")
    def failed(ingestion_id: str) -> Response:
        return as_json({"position": data.next_failed(service, ingestion_id, count_member("from", 0))})

    @blueprint.get("/audit/data")
    @needs(Role.OPERATE, "limit")
    def audit_data() -> Response:
        limit = count_member("limit", _ROWS, least=1, most=PAGE_MAX)
        workers = [worker_document(one) for one in service.workers()]
        page = audit_document(service.store.audits(limit), limit)
        return as_json({**data.state(service), **page, "workers": workers})

    @blueprint.get("/submit/quote")
    @needs(Role.SUBMIT, "ids")
    def quote() -> Response:
        count = count_member("ids", least=1, most=service.settings.max_ids)
        if count is None:
            raise InvalidRequest([Fault("query ids", "ids, the number of ids, is missing.")])
        stats = service.stats()
        quotes = service.store.quote(batch_count(count, service.settings.batch_size), guard.caller().name)
        told = {priority.name: data.expectation(stats, one) for priority, one in quotes.items()}
        return as_json({**data.state(service, stats), "quote": told})
