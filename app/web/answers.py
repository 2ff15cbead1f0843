"""Answers in JSON, and the headers that browsers get with every answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

from ..core import dumps

_SECURE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_KEPT = ("Cache-Control", "private, no-cache")
_FOR_ONCE = ("Cache-Control", "no-store")


class Answer(Response):
    """JSON text with all its headers, which nothing on the way out has to complete: 8 % of a status request on granian.

    `text` may come in parts. `more` are headers beside those of every answer; `kept` lets a client keep it and ask
    whether it changed.
    """

    def __init__(
        self,
        text: str | Sequence[str],
        status: int = 200,
        more: Sequence[tuple[str, str]] = (),
        kind: str = "application/json",
        *,
        kept: bool = False,
    ) -> None:
        body = [text.encode()] if isinstance(text, str) else [part.encode() for part in text]
        # All at once; one by one takes twice as long.
        headers = Headers()
        headers[:] = (
            ("Content-Type", kind),
            ("Content-Length", str(sum(map(len, body)))),
            *_SECURE,
            _KEPT if kept else _FOR_ONCE,
            *more,
        )
        super().__init__(body, status, headers)

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002
        return self.headers


def as_json(document: Any) -> Answer:
    """Returns a document as the answer."""
    return Answer(dumps(document))


def secure(response: Response) -> Response:
    """Add the headers that a view has not set itself."""
    if isinstance(response, Answer):
        return response
    headers = response.headers
    for name, value in _SECURE:
        headers.setdefault(name, value)
    headers.setdefault(*(_KEPT if "ETag" in headers else _FOR_ONCE))
    return response
