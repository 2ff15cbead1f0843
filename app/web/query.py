"""The members of a request's query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar, overload

from flask import Request

from ..core import (
    FailureFilter,
    Filter,
    Pauses,
    Priority,
    Spot,
    Status,
    check_pauses,
    name_fault,
    past_moment,
    priority_fault,
    priority_of,
    shown,
)
from ..errors import Fault, InvalidRequest
from ..values import INT64_MAX
from .request import current

M = TypeVar("M")

FILTERS = ("status", "priority", "owner", "failed", "since", "until")
"""The members of a query that filter a listing."""

PAUSABLE = ("priority", "owner")
"""The members of a query that name what is paused or resumed."""

FAILURE_FILTERS = ("group", "priority", "owner", "since", "until")
"""The members of a query that filter failures."""

PAGE = 50
"""Entries on a page, where the caller does not say."""

FEW = 20
"""The same on a page of places of an id, or of sweeps, each of which says more."""

PAGE_MAX = 1000
"""Entries on a page at most."""

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,30})?(?:e[+-]?[0-9]{1,3})?")
_SPOT = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,17})?)_([0-9]{1,18})_([0-9]{1,18})")

_STATUSES = {status.value: status for status in Status}


@overload
def count_member(name: str, default: int, *, least: int = ..., most: int = ...) -> int: ...
@overload
def count_member(name: str, default: int | None = None, *, least: int = ..., most: int = ...) -> int | None: ...
def count_member(name: str, default: int | None = None, *, least: int = 0, most: int = INT64_MAX) -> int | None:
    """Returns a whole number of the query. Raises InvalidRequest."""
    text = _member(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise InvalidRequest([Fault(f"query {name}", f"{name} must be a whole number from {least} to {most}.")])
    return int(text)


def page_member(default: int = PAGE) -> int:
    """Returns how many entries a page may have, by the query's `limit`. Raises InvalidRequest."""
    return count_member("limit", default, least=1, most=PAGE_MAX)


def filter_members(scope: str | None, now: float) -> Filter:
    """Returns the filter that the query describes, for a caller who sees those of `scope`, None for all.

    Raises InvalidRequest.
    """
    return Filter(
        status=status_member(),
        priority=_priority_member(),
        owner=_owner_member(scope),
        failed=_word_member("failed", {"true": True}) or False,
        since=_moment_member("since", now),
        until=_moment_member("until", now),
    )


def status_member() -> Status | None:
    """Returns the status that the query names. Raises InvalidRequest."""
    return _word_member("status", _STATUSES)


def failure_filter(scope: str | None, now: float) -> FailureFilter:
    """Returns the filter of failures that the query describes, for a caller who sees those of `scope`, None for all.

    Raises InvalidRequest.
    """
    return FailureFilter(
        priority=_priority_member(),
        owner=_owner_member(scope),
        group=_member("group"),
        since=_moment_member("since", now),
        until=_moment_member("until", now),
    )


def pauses_member() -> Pauses:
    """Returns what the query asks to pause or resume. Raises InvalidRequest."""
    return check_pauses(_member("priority"), _member("owner"))


def worker_member() -> str | None:
    """Returns the worker that the query names."""
    return _member("worker")


def spot_member() -> Spot | None:
    """Returns the cursor of a page of groups. Raises InvalidRequest."""
    text = _member("cursor")
    if text is None:
        return None
    found = _SPOT.fullmatch(text)
    if found is None:
        raise InvalidRequest([Fault("query cursor", "cursor must be the next_cursor of the page before.")])
    return float(found[1]), int(found[2]), int(found[3])


def with_failed() -> bool:
    """Returns whether `include=failed` asks for what failed too. Raises InvalidRequest."""
    return _word_member("include", {"failed": True}) or False


def refuse_unknown(this: Request, known: Sequence[str]) -> None:
    """Raise InvalidRequest for members of the query that its route does not know, or that are there more than once."""
    takes = f"this takes {', '.join(known)}" if known else "this takes none"
    faults = [
        Fault(f"query {name[:60]}", f"{shown(name)} is not a query member here; {takes}.")
        for name in this.args
        if name not in known
    ]
    # With fewer parts than this none is repeated, and to look at the values of each takes three times as long.
    if this.query_string.count(b"&") >= len(this.args):
        faults += [
            Fault(f"query {name}", f"{name} is there more than once; give one value.")
            for name, values in this.args.lists()
            if name in known and len(values) > 1
        ]
    if faults:
        raise InvalidRequest(faults)


def _moment_member(name: str, now: float) -> float | None:
    text = _member(name)
    if text is None:
        return None
    moment = past_moment(float(text) if _NUMBER.fullmatch(text) else text, now)
    if moment is None:
        what = f"{name} must be an RFC 3339 time with its offset, or seconds ago, not {shown(text)}."
        raise InvalidRequest([Fault(f"query {name}", what)])
    return moment


def _owner_member(scope: str | None) -> str | None:
    """Returns whose ingestions the query asks for, of those that the caller sees. Raises InvalidRequest."""
    owner = _member("owner")
    if owner is not None and (fault := name_fault(owner)):
        raise InvalidRequest([Fault("query owner", f"owner {fault}")])
    if scope is not None and owner not in (None, scope):
        raise InvalidRequest([Fault("query owner", "owner can be nobody but you, unless your key may operate.")])
    return owner if scope is None else scope


def _priority_member() -> Priority | None:
    text = _member("priority")
    if text is not None and priority_of(text) is None:
        raise InvalidRequest([Fault("query priority", f"priority {priority_fault(text)}")])
    return priority_of(text)


def _word_member(name: str, meanings: Mapping[str, M]) -> M | None:
    text = _member(name)
    if text is None:
        return None
    if text not in meanings:
        raise InvalidRequest([Fault(f"query {name}", f"{name} must be one of {', '.join(meanings)}.")])
    return meanings[text]


def _member(name: str) -> str | None:
    this = current()
    # Parsing a query that is empty would cost 5 % of a status request.
    return this.args.get(name) if this.query_string else None
