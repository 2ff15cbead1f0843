"""Refuses what another site makes a browser send (cross-site request forgery)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Request, Response

from .problems import problem

_SAFE = ("GET", "HEAD", "OPTIONS")


def refuse_foreign(request: Request, allowed: Sequence[str] = ()) -> Response | None:
    """Returns a 403 for a changing request that a browser sent on behalf of another site, else None.

    Every browser says where such a request comes from, and no page can make it lie: `Sec-Fetch-Site` (W3C, "Fetch
    Metadata Request Headers") over HTTPS and on loopback, `Origin` (RFC 6454, section 7) everywhere. Other clients
    send neither and pass. `Sec-Fetch-Site` decides where it is there, for a proxy may have changed the host. Pages of
    the `allowed` origins pass.
    """
    if request.method in _SAFE:
        return None
    site, origin = request.environ.get("HTTP_SEC_FETCH_SITE"), request.environ.get("HTTP_ORIGIN")
    if origin in allowed:
        return None
    if site is not None:
        foreign, seen = site not in ("same-origin", "none"), f"Sec-Fetch-Site says {site}"
    else:
        foreign, seen = origin is not None and _host(origin) != request.host, f"Origin is {origin}"
    if not foreign:
        return None
    return problem(403, f"This request comes from another site ({seen}, this is {request.host}); nothing was changed.")


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
