"""What a browser is told about every answer of ours; a view that knows better sets its own."""

from __future__ import annotations

from flask import Response

_ALWAYS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
)


def secure(response: Response) -> Response:
    """Add what is not there yet. An answer with an ETag may be kept and asked about, any other is for once."""
    headers = response.headers
    present = {name.lower() for name, _ in headers}
    for name, value in _ALWAYS:
        if name.lower() not in present:
            headers.add(name, value)
    if "cache-control" not in present:
        headers.add("Cache-Control", "private, no-cache" if "etag" in present else "no-store")
    return response
