"""Checks a submission by hand and names every fault."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config import Settings
from ..errors import Fault, InvalidRequest
from ..receivers import address_of
from .ids import Ids, Strings, string_fault
from .members import LISTED, SECONDS_BELOW, moment_of, number_of, priority_member, unknown_members
from .models import Priority
from .quoting import as_sent, kind_of, shown

SUBMISSION_MEMBERS = ("ids", "priority", "deadline", "callback", "fresh")
"""The members a submission may have."""

_KNOWN = frozenset(SUBMISSION_MEMBERS)
_REQUIRED = frozenset(SUBMISSION_MEMBERS[:2])


class Checked(NamedTuple):
    """A request: its ids, priority, deadline (epoch seconds), callback (a URL), and what it has instead of FRESH."""

    ids: Ids
    priority: Priority
    deadline: float | None
    callback: str | None
    fresh: float | None


def check_request(body: Any, settings: Settings, now: float) -> Checked:
    """Returns what a request's JSON says. Raises InvalidRequest with every fault."""
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object, not {kind_of(body)}.")])
    faults = [] if _REQUIRED <= body.keys() <= _KNOWN else _member_faults(body)
    ids = _check_ids(body["ids"], settings, faults) if "ids" in body else None
    priority = priority_member(body["priority"], faults) if "priority" in body else None
    deadline = _check_deadline(body["deadline"], now, faults) if body.get("deadline") is not None else None
    callback = _check_callback(body["callback"], settings, faults) if body.get("callback") is not None else None
    fresh = _check_fresh(body["fresh"], settings, faults) if body.get("fresh") is not None else None
    if faults or ids is None or priority is None:
        raise InvalidRequest(faults)
    return Checked(ids, priority, deadline, callback, fresh)


def check_priority(body: Any) -> Priority:
    """Returns the priority that a request names, its only member. Raises InvalidRequest with every fault."""
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object with priority, not {kind_of(body)}.")])
    faults = unknown_members(body, ("priority",))
    priority = priority_member(body["priority"], faults) if "priority" in body else None
    if "priority" not in body:
        faults.append(Fault("#/priority", "priority is missing."))
    if faults or priority is None:
        raise InvalidRequest(faults)
    return priority


def _member_faults(body: Mapping[str, Any]) -> list[Fault]:
    missing = [
        Fault(f"#/{name}", f"{name} is missing.") for name in SUBMISSION_MEMBERS if name in _REQUIRED - body.keys()
    ]
    return unknown_members(body, SUBMISSION_MEMBERS) + missing


def are_ids(values: Sequence[Any], settings: Settings) -> bool:
    """Returns whether there are values and each of them is an id."""
    if settings.id_type == "string":
        return bool(values) and all(isinstance(value, str) and string_fault(value) is None for value in values)
    return set(map(type, values)) == {int} and min(values) >= settings.id_min and max(values) <= settings.id_max


def _check_ids(ids: Any, settings: Settings, faults: list[Fault]) -> Ids | None:
    if not isinstance(ids, list):
        if isinstance(ids, (array, Strings)):
            return ids
        faults.append(Fault("#/ids", f"ids must be an array of {settings.id_type}s, not {kind_of(ids)}."))
    elif not ids:
        faults.append(Fault("#/ids", "ids is empty; at least one is needed."))
    elif len(ids) > settings.max_ids:
        faults.append(Fault("#/ids", f"ids has {len(ids)} members; at most {settings.max_ids} are accepted."))
    elif are_ids(ids, settings):
        return Strings.of(ids) if settings.id_type == "string" else array("q", ids)
    else:
        faults.extend(_id_faults(ids, settings))
    return None


def _id_faults(ids: Sequence[Any], settings: Settings) -> list[Fault]:
    faults: list[Fault] = []
    found = 0
    for position, value in enumerate(ids):
        fault = _id_fault(value, settings)
        if fault is None:
            continue
        found += 1
        if found <= LISTED:
            faults.append(Fault(f"#/ids/{position}", f"ids[{position}] {fault}"))
    if found > LISTED:
        faults.append(Fault("#/ids", f"{found - LISTED} more members of ids are wrong as well."))
    return faults


def _id_fault(value: Any, settings: Settings) -> str | None:
    if settings.id_type == "string":
        return string_fault(value) if isinstance(value, str) else f"must be a string, not {kind_of(value)}."
    if type(value) is not int:
        return f"must be an integer, not {kind_of(value)}."
    if not settings.id_min <= value <= settings.id_max:
        return f"must be from {settings.id_min} to {settings.id_max}, not {kind_of(value)}."
    return None


def _check_deadline(deadline: Any, now: float, faults: list[Fault]) -> float | None:
    if (seconds := number_of(deadline)) is not None and 0 < seconds < SECONDS_BELOW:
        return now + seconds
    if isinstance(deadline, str) and (moment := moment_of(deadline)) is not None:
        return moment
    faults.append(
        Fault(
            "#/deadline",
            f"deadline must be an RFC 3339 time with its offset, or seconds from now, not {as_sent(deadline)}.",
        )
    )
    return None


def _check_callback(callback: Any, settings: Settings, faults: list[Fault]) -> str | None:
    if not settings.webhook_hosts:
        faults.append(Fault("#/callback", "callback is refused: WEBHOOK_HOSTS, the hosts it may name, is not set."))
        return None
    try:
        if not isinstance(callback, str):
            raise ValueError(f"it must be a URL, not {kind_of(callback)}")
        host = address_of(callback)
        if not host.is_among(settings.webhook_hosts):
            raise ValueError(f"{shown(host.host)} is not among the hosts of WEBHOOK_HOSTS")
    except ValueError as error:
        faults.append(Fault("#/callback", f"callback cannot be told: {error}."))
        return None
    return callback


def _check_fresh(fresh: Any, settings: Settings, faults: list[Fault]) -> float | None:
    if settings.fresh is None:
        faults.append(Fault("#/fresh", "fresh is refused: FRESH, the setting that it may lower, is not set."))
        return None
    if (seconds := number_of(fresh)) is not None and 0 <= seconds <= settings.fresh:
        return float(seconds)
    faults.append(
        Fault("#/fresh", f"fresh must be a number of seconds from 0 to {settings.fresh:g}, not {as_sent(fresh)}.")
    )
    return None
