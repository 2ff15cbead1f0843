"""What the HTTP side is made of: bodies, answers, problems, keys and the description of the API."""

from __future__ import annotations

from . import documents, problems
from .answers import Answer, secure
from .auth import Caller, Guard, add_login, needs, refuse_open
from .body import parse_request
from .documents import dispatch_document, dumps, quote_document, timestamp
from .forgery import refuse_foreign
from .metrics import add_metrics
from .problems import from_http, problem
from .reference import add_reference

__all__ = [
    "Answer",
    "Caller",
    "Guard",
    "add_login",
    "add_metrics",
    "add_reference",
    "dispatch_document",
    "documents",
    "dumps",
    "from_http",
    "needs",
    "parse_request",
    "problem",
    "problems",
    "quote_document",
    "refuse_foreign",
    "refuse_open",
    "secure",
    "timestamp",
]
