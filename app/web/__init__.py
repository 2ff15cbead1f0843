"""The parts of the HTTP side: bodies, queries, answers, problems, keys and the description of the API."""

from __future__ import annotations

from .answers import Answer, as_json, secure
from .auth import Caller, Guard, add_login
from .bodiless import Routes
from .body import read_body
from .collisions import refuse_collisions
from .documents import (
    attempts_document,
    failure_lines,
    failures_document,
    listing_document,
    quote_document,
    result_lines,
    search_text,
)
from .forgery import refuse_foreign
from .hosts import check_hosts, refuse_open
from .index import add_index, answer_unrouted
from .joint import description_of_all, make_joint
from .metrics import add_metrics
from .openapi import add_description, describe
from .operations import audit_document, dispatch_document, queue_document, sweep_document, worker_document
from .probes import add_probes, make_probes
from .problems import from_error, from_http, problem
from .query import (
    FAILURE_FILTERS,
    FEW,
    FILTERS,
    PAGE,
    PAGE_MAX,
    count_member,
    failure_filter,
    filter_members,
    page_member,
    spot_member,
    status_member,
    with_failed,
)
from .request import current, idempotency_key, lines_type, named_batch, over_tls, root_path
from .requirements import needs
from .schemas import resolved
from .status import callback_document, estimate_document, status_head, status_page
from .steering import add_steering

__all__ = [
    "FAILURE_FILTERS",
    "FEW",
    "FILTERS",
    "PAGE",
    "PAGE_MAX",
    "Answer",
    "Caller",
    "Guard",
    "Routes",
    "add_description",
    "add_index",
    "add_login",
    "add_metrics",
    "add_probes",
    "add_steering",
    "answer_unrouted",
    "as_json",
    "attempts_document",
    "audit_document",
    "callback_document",
    "check_hosts",
    "count_member",
    "current",
    "describe",
    "description_of_all",
    "dispatch_document",
    "estimate_document",
    "failure_filter",
    "failure_lines",
    "failures_document",
    "filter_members",
    "from_error",
    "from_http",
    "idempotency_key",
    "lines_type",
    "listing_document",
    "make_joint",
    "make_probes",
    "named_batch",
    "needs",
    "over_tls",
    "page_member",
    "problem",
    "queue_document",
    "quote_document",
    "read_body",
    "refuse_collisions",
    "refuse_foreign",
    "refuse_open",
    "resolved",
    "result_lines",
    "root_path",
    "search_text",
    "secure",
    "spot_member",
    "status_head",
    "status_member",
    "status_page",
    "sweep_document",
    "with_failed",
    "worker_document",
]
