"""Paths of the service's routes, with their queries."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode


def status_path(ingestion_id: str, command: str = "", **members: Any) -> str:
    """Returns the path of an ingestion's status, or of a command below it."""
    return path_of("status", ingestion_id) + command + query(**members)


def results_path(ingestion_id: str, *, failed: bool) -> str:
    return path_of("results", ingestion_id) + query(include="failed" if failed else None)


def path_of(page: str, ingestion_id: str) -> str:
    # A dot needs no quoting, but a segment of dots alone names a folder, which a client or a proxy may resolve away.
    name = "%2E" * len(ingestion_id) if ingestion_id in (".", "..") else quote(ingestion_id, safe="")
    return f"/{page}/{name}"


def query(**members: Any) -> str:
    """Returns the query of those members that are not None."""
    given = {name: value for name, value in members.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
