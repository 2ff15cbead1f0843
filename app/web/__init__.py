"""The HTTP side: the routes of the API, and what they and the dashboard are made of."""

from __future__ import annotations

from .answers import Answer, as_json
from .auth import Caller, Guard
from .collisions import refuse_collisions
from .documents import failures_document, listing_document, quote_document
from .hosts import check_hosts, refuse_open
from .index import add_index, answer_unrouted
from .joint import description_of_all, make_joint
from .openapi import describe
from .operations import audit_document, dispatch_document, queue_document, sweep_document, worker_document
from .probes import make_probes
from .problems import problem
from .query import FAILURE_FILTERS, FILTERS, PAGE_MAX, count_member, failure_filter, filter_members, status_member
from .request import over_tls, root_path
from .requirements import needs
from .routes import make_blueprint
from .schemas import resolved
from .status import callback_document, estimate_document

__all__ = [
    "FAILURE_FILTERS",
    "FILTERS",
    "PAGE_MAX",
    "Answer",
    "Caller",
    "Guard",
    "add_index",
    "answer_unrouted",
    "as_json",
    "audit_document",
    "callback_document",
    "check_hosts",
    "count_member",
    "describe",
    "description_of_all",
    "dispatch_document",
    "estimate_document",
    "failure_filter",
    "failures_document",
    "filter_members",
    "listing_document",
    "make_blueprint",
    "make_joint",
    "make_probes",
    "needs",
    "over_tls",
    "problem",
    "queue_document",
    "quote_document",
    "refuse_collisions",
    "refuse_open",
    "resolved",
    "root_path",
    "status_member",
    "sweep_document",
    "worker_document",
]
