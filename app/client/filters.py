"""What listings, failures and sweeps are filtered by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ..core import Priority, Status
from .submission import Moment, as_sent, key_header, name_of


def of_listing(
    status: Status | str | None,
    priority: Priority | str | None,
    owner: str | None,
    *,
    failed: bool,
    since: Moment | None,
    until: Moment | None,
) -> dict[str, Any]:
    """Returns a filter of ingestions as members of a query."""
    return {
        "status": status and Status(status).value,
        "priority": priority and name_of(priority),
        "owner": owner,
        "failed": "true" if failed else None,
        "since": as_sent(since),
        "until": as_sent(until),
    }


def of_failures(
    *,
    group: str | None = None,
    priority: Priority | str | None = None,
    owner: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
) -> dict[str, Any]:
    """Returns a filter of failures as members of a query."""
    return {
        "group": group,
        "priority": priority and name_of(priority),
        "owner": owner,
        "since": as_sent(since),
        "until": as_sent(until),
    }


def sweep_request(where: Mapping[str, Any], key: str | None) -> tuple[bytes, dict[str, str]]:
    """Returns body and headers of a redrive or cancel of all that match; under a random key, unless one is given."""
    given = {name: as_sent(value) for name, value in where.items() if value is not None}
    if isinstance(priority := given.get("priority"), Priority):
        given["priority"] = priority.name
    return json.dumps(given).encode(), key_header(str(uuid4()) if key is None else key)
