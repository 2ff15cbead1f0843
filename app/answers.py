"""Answers in JSON, and what a browser is told about every answer of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from werkzeug.datastructures import Headers

_SECURE = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)
_KEPT = ("Cache-Control", "private, no-cache")
_FOR_ONCE = ("Cache-Control", "no-store")


class Answer(Response):
    """JSON text with all its headers, so that no step on the way out has to look for what may be missing.

    `more` are headers beside those of every answer. One with an ETag may be kept and asked about.
    """

    def __init__(
        self,
        text: str | bytes,
        status: int = 200,
        more: Sequence[tuple[str, str]] = (),
        kind: str = "application/json",
    ) -> None:
        caching = _KEPT if any(name == "ETag" for name, _ in more) else _FOR_ONCE
        super().__init__(text, status, [("Content-Type", kind), *_SECURE, caching, *more])

    def get_wsgi_headers(self, environ: Any) -> Headers:  # noqa: ARG002
        return self.headers


def secure(response: Response) -> Response:
    """Add what is not there yet; a view that knows better sets its own."""
    if isinstance(response, Answer):
        return response
    headers = response.headers
    for name, value in _SECURE:
        headers.setdefault(name, value)
    headers.setdefault(*(_KEPT if "ETag" in headers else _FOR_ONCE))
    return response
