"""The parts of the HTTP side: bodies, parameters, answers, problems, keys and the description of the API."""

from __future__ import annotations

from .answers import Answer, secure
from .auth import Caller, Guard, add_login, needs, refuse_open
from .body import parse_request
from .documents import (
    attempts_document,
    audit_document,
    callback_document,
    dispatch_document,
    estimate_document,
    failure_lines,
    failures_document,
    listing_document,
    queue_document,
    quote_document,
    rate_document,
    result_lines,
    search_text,
    status_head,
    status_page,
    sweep_document,
)
from .forgery import refuse_foreign
from .hosts import check_hosts
from .index import add_index, answer_unrouted
from .joint import add_joint
from .metrics import add_metrics
from .params import (
    FAILURE_FILTERS,
    FILTERS,
    PAUSABLE,
    AnyText,
    count_member,
    current,
    failure_filter,
    filter_members,
    idempotency_key,
    lines_type,
    pauses_member,
    root_path,
    spot_member,
    status_member,
    with_failed,
    worker_member,
)
from .problems import from_error, from_http, problem
from .reference import add_reference, description

__all__ = [
    "FAILURE_FILTERS",
    "FILTERS",
    "PAUSABLE",
    "Answer",
    "AnyText",
    "Caller",
    "Guard",
    "add_index",
    "add_joint",
    "add_login",
    "add_metrics",
    "add_reference",
    "answer_unrouted",
    "attempts_document",
    "audit_document",
    "callback_document",
    "check_hosts",
    "count_member",
    "current",
    "description",
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
    "needs",
    "parse_request",
    "pauses_member",
    "problem",
    "queue_document",
    "quote_document",
    "rate_document",
    "refuse_foreign",
    "refuse_open",
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
    "worker_member",
]
