"""Errors as RFC 9457 problem documents that a person can act on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from .. import errors
from ..core import dumps, timestamp
from .answers import Answer
from .body import MalformedJSON
from .request import current

_STATUS: Mapping[type[errors.IngestError], int] = {
    MalformedJSON: 400,
    errors.InvalidRequest: 422,
    errors.UnknownIngestion: 404,
    errors.UnknownWorker: 404,
    errors.Conflict: 409,
    errors.KeyInUse: 409,
    errors.KeyReused: 422,
    errors.TooLate: 422,
    errors.QuotaFull: 429,
    errors.BacklogFull: 503,
    errors.StoreUnavailable: 503,
}


_PATH = 200
"""Characters of a path that an answer repeats."""


def problem(status: int, detail: str, *, retry_after: float | None = None, **members: Any) -> Response:
    """Returns a problem document; `retry_after` is in seconds."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    more = [] if retry_after is None else [("Retry-After", str(max(1, math.ceil(retry_after))))]
    return Answer(dumps(document), status, more, "application/problem+json")


def from_error(error: errors.IngestError) -> Response:
    """Returns the answer to one of this package's errors. Raises it again if it is not meant for a caller."""
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), None)
    if status is None:
        raise error
    members: dict[str, Any] = {}
    if isinstance(error, errors.InvalidRequest):
        members["errors"] = [fault._asdict() for fault in error.faults]
        detail = (
            error.faults[0].detail if len(error.faults) == 1 else f"{len(error.faults)} things are wrong; see errors."
        )
        return problem(status, detail, **members)
    if isinstance(error, errors.TooLate):
        members["earliest"] = timestamp(error.earliest)
    retry_after = getattr(error, "retry_after", 1.0 if isinstance(error, errors.KeyInUse) else None)
    return problem(status, str(error), retry_after=retry_after, **members)


def from_http(
    error: HTTPException, root: str | None = None, queues: Sequence[str] = (), near: str | None = None
) -> Response:
    """Returns the answer to an error of Werkzeug's, with its headers.

    Where there is no such path, it names those that there are: `root` is below which path the description is, `queues`
    are those of a service of several, and `near` is what the path may be meant for.
    """
    status = error.code or 500
    if status < 400:
        return error.get_response()  # type: ignore[return-value]
    more: dict[str, Any] = {"queues": queues} if queues and isinstance(error, NotFound) else {}
    response = problem(status, _detail(error, root, queues, near), **more)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _detail(error: HTTPException, root: str | None, queues: Sequence[str], near: str | None) -> str:
    this = current()
    path = quote(this.script_root + this.path)[:_PATH]
    if isinstance(error, NotFound) and error.description == NotFound.description:
        below = f"; each queue is below its name, {' and '.join(f'{root}/{name}' for name in queues)}" if queues else ""
        meant = ";" if near is None else f"; did you mean {quote(f'{root}{near}')}?"
        listed = f"{below}{meant} {root}/openapi.json lists what there is, and {root}/docs is that as a page"
        return f"There is no {path} here{'' if root is None else listed}."
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        error.valid_methods = sorted(error.valid_methods)
        return f"{path} takes {', '.join(error.valid_methods)}, not {this.method}."
    return error.description or HTTPStatus(error.code or 500).phrase
