"""The parts of the HTTP side: bodies, parameters, answers, problems, keys and the description of the API."""

from __future__ import annotations

from .answers import Answer, secure
from .auth import Caller, Guard, add_login, needs, refuse_open
from .body import parse_request
from .documents import (
    dispatch_document,
    dumps,
    estimate_document,
    ingestion_document,
    listing_document,
    queue_document,
    quote_document,
    result_lines,
    status_head,
    status_page,
    timestamp,
)
from .forgery import refuse_foreign
from .index import add_index
from .metrics import add_metrics
from .params import FILTERS, count_member, current, filter_members, idempotency_key, root_path, with_failed
from .problems import from_error, from_http, problem
from .reference import add_reference, description

__all__ = [
    "FILTERS",
    "Answer",
    "Caller",
    "Guard",
    "add_index",
    "add_login",
    "add_metrics",
    "add_reference",
    "count_member",
    "current",
    "description",
    "dispatch_document",
    "dumps",
    "estimate_document",
    "filter_members",
    "from_error",
    "from_http",
    "idempotency_key",
    "ingestion_document",
    "listing_document",
    "needs",
    "parse_request",
    "problem",
    "queue_document",
    "quote_document",
    "refuse_foreign",
    "refuse_open",
    "result_lines",
    "root_path",
    "secure",
    "status_head",
    "status_page",
    "timestamp",
    "with_failed",
]
