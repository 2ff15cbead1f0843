"""What a request says beside its query and its body: the instance's path, what it names, and headers."""

from __future__ import annotations

import functools
from collections.abc import Callable

from flask import Request, request
from werkzeug.urls import iri_to_uri

from ..core import name_fault
from ..errors import Fault, InvalidRequest

_BATCH = "flask_ingestion.batch"


current: Callable[[], Request] = request._get_current_object  # type: ignore[attr-defined]
"""Returns the request itself: looking at it through Flask's proxy each time costs 5 % of a status request."""


def name_batch(this: Request, position: int) -> None:
    """Note that the path named a batch, the one at `position`, in place of its ingestion."""
    this.environ[_BATCH] = position  # flask.g takes six times as long to look at


def named_batch() -> int | None:
    """Returns the position of the batch that the path named, None if it named an ingestion."""
    position: int | None = current().environ.get(_BATCH)
    return position


def root_path() -> str:
    """Returns the path of the instance, with a slash at its end, in a request for a route directly below it."""
    this = current()
    return _uri(this.script_root + this.path.rpartition("/")[0] + "/")


def over_tls() -> bool:
    """Returns whether the current request came over HTTPS, to this server or to a proxy in front that says so."""
    this = current()
    return this.is_secure or this.headers.get("X-Forwarded-Proto") == "https"


_uri = functools.lru_cache(64)(iri_to_uri)  # An instance has one path: 10 % of a submit.


def idempotency_key() -> str | None:
    """Returns the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header), quoted or bare.

    Raises InvalidRequest for one that is empty, longer than 255 characters or not printable ASCII.
    """
    # To look for a header that is not there through `headers` makes an error page: 1 % of a submit.
    header: str | None = current().environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if name_fault(key) or not key.isascii():
        detail = "The Idempotency-Key header must hold 1 to 255 printable ASCII characters."
        raise InvalidRequest([Fault("header Idempotency-Key", detail)])
    return key


def lines_type() -> str:
    """Returns the media type of NDJSON for this request: its own, or plain text for a program that asks for that."""
    return current().accept_mimetypes.best_match(("application/x-ndjson", "text/plain"), "application/x-ndjson")
