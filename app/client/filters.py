"""What listings, failures and sweeps are filtered by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypedDict
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


class FailureFilter(TypedDict, total=False):
    """Which failures: of a `group`, of a `priority`, of an `owner`, and when they failed, in RFC 3339 or seconds ago.

    What is None does not filter.
    """

    group: str | None
    priority: Priority | str | None
    owner: str | None
    since: Moment | None
    until: Moment | None


class SweepFilter(FailureFilter, total=False):
    """Which ingestions: with failures of a `group`, in a `status`, with `failed` batches, and when submitted."""

    status: Status | str | None
    failed: bool | None


def of_failures(where: FailureFilter) -> dict[str, Any]:
    """Returns a filter of failures as members of a query. Raises TypeError for one that is none."""
    return _sent(where, FailureFilter)


def sweep_request(where: SweepFilter, key: str | None, *, dry_run: bool = False) -> tuple[bytes, dict[str, str]]:
    """Returns body and headers of a redrive or cancel of all that match; under a random key, unless one is given.

    Raises TypeError for a filter that is none.
    """
    given = _sent(where, SweepFilter) | ({"dry_run": True} if dry_run else {})
    return json.dumps(given).encode(), key_header(str(uuid4()) if key is None else key)


def _sent(where: Mapping[str, Any], kind: type[FailureFilter]) -> dict[str, Any]:
    for name in where.keys() - kind.__annotations__.keys():
        raise TypeError(f"{name!r} is no filter; there are {', '.join(kind.__annotations__)}.")
    given = {name: as_sent(value) for name, value in where.items() if value is not None}
    if isinstance(priority := given.get("priority"), Priority):
        given["priority"] = priority.name
    return given
