"""Checking what is submitted, by hand, and naming every fault."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

from . import bulk
from .config import Settings
from .errors import Fault, InvalidRequest
from .models import Priority

_LISTED = 100
"""How many faults are listed one by one."""

_MEMBERS = ("ids", "priority", "deadline")
_KNOWN = frozenset(_MEMBERS)
_REQUIRED = frozenset(_MEMBERS[:2])


class MalformedJSON(InvalidRequest):
    """The body is not JSON as RFC 8259 has it."""

    def __init__(self, detail: str) -> None:
        super().__init__([Fault("#", detail)])


def parse_request(body: bytes, settings: Settings) -> Any:
    """The JSON document in `body`; where its ids are many and all acceptable they come as an array.

    Raises MalformedJSON, also for what json would let pass: NaN and duplicate members.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}.") from None
    if len(text) >= bulk.LARGE and (parts := bulk.split(text, settings)):
        with suppress(MalformedJSON):
            document = _parse(parts[0])
            if isinstance(document, dict) and document.get("ids") == [] and document.keys() <= _KNOWN:
                document["ids"] = parts[1]
                return document
    return _parse(text)


def _parse(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise MalformedJSON("The body starts with a byte order mark (BOM), which JSON over a network must not.")
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedJSON(f"The body is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise MalformedJSON("The body is nested too deeply.") from None
    except MalformedJSON:
        raise
    except ValueError:
        raise MalformedJSON("The body holds a number with too many digits.") from None


def _refuse_constant(name: str) -> Any:
    raise MalformedJSON(f"The body is not JSON: it holds {name}.")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedJSON(f"The member {_shown(twice)} is there more than once.")
    return members


_decode = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique_members).decode


def check_request(body: Any, settings: Settings, now: float) -> tuple[array[int], Priority, float | None]:
    """The ids, priority and deadline (epoch seconds) of a request's JSON. Raises InvalidRequest with every fault."""
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object, not {_kind(body)}.")])
    faults = [] if _REQUIRED <= body.keys() <= _KNOWN else _member_faults(body)
    ids = _check_ids(body["ids"], settings, faults) if "ids" in body else None
    priority = _check_priority(body["priority"], faults) if "priority" in body else None
    deadline = _check_deadline(body["deadline"], now, faults) if body.get("deadline") is not None else None
    if faults or ids is None or priority is None:
        raise InvalidRequest(faults)
    return ids, priority, deadline


def _member_faults(body: Mapping[str, Any]) -> list[Fault]:
    unknown = [name for name in body if name not in _KNOWN]
    faults = [
        Fault(
            f"#/{_escaped(name)}", f"{_shown(name)} is not a member of this request; those are {', '.join(_MEMBERS)}."
        )
        for name in unknown[:_LISTED]
    ]
    if len(unknown) > _LISTED:
        faults.append(Fault("#", f"{len(unknown) - _LISTED} more members are not known either."))
    faults += [Fault(f"#/{name}", f"{name} is missing.") for name in _MEMBERS if name in _REQUIRED - body.keys()]
    return faults


def _check_ids(ids: Any, settings: Settings, faults: list[Fault]) -> array[int] | None:
    if isinstance(ids, array):
        return ids
    if not isinstance(ids, list):
        faults.append(Fault("#/ids", f"ids must be an array of integers, not {_kind(ids)}."))
    elif not ids:
        faults.append(Fault("#/ids", "ids is empty; at least one is needed."))
    elif len(ids) > settings.max_ids:
        faults.append(Fault("#/ids", f"ids has {len(ids)} members; at most {settings.max_ids} are accepted."))
    elif set(map(type, ids)) != {int} or min(ids) < settings.id_min or max(ids) > settings.id_max:
        faults.extend(_id_faults(ids, settings))
    else:
        return array("q", ids)
    return None


def _id_faults(ids: Sequence[Any], settings: Settings) -> list[Fault]:
    faults: list[Fault] = []
    found = 0
    for position, value in enumerate(ids):
        if type(value) is not int:
            detail = f"ids[{position}] must be an integer, not {_kind(value)}."
        elif not settings.id_min <= value <= settings.id_max:
            detail = f"ids[{position}] must be from {settings.id_min} to {settings.id_max}, not {_number(value)}."
        else:
            continue
        found += 1
        if found <= _LISTED:
            faults.append(Fault(f"#/ids/{position}", detail))
    if found > _LISTED:
        faults.append(Fault("#/ids", f"{found - _LISTED} more members of ids are wrong as well."))
    return faults


def _check_priority(priority: Any, faults: list[Fault]) -> Priority | None:
    if isinstance(priority, Priority):
        return priority
    if isinstance(priority, str) and priority in Priority.__members__:
        return Priority[priority]
    what = _shown(priority) if isinstance(priority, str) else _kind(priority)
    faults.append(Fault("#/priority", f"priority must be HIGH, MEDIUM or LOW, not {what}."))
    return None


def _check_deadline(deadline: Any, now: float, faults: list[Fault]) -> float | None:
    if isinstance(deadline, (int, float)) and not isinstance(deadline, bool) and 0 < deadline < 1e10:
        return now + deadline
    if isinstance(deadline, str):
        try:
            moment = datetime.fromisoformat(deadline.upper().replace("Z", "+00:00"))
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is not None:
            return moment.timestamp()
    what = _shown(deadline) if isinstance(deadline, str) else _kind(deadline)
    faults.append(
        Fault("#/deadline", f"deadline must be an RFC 3339 time with its offset, or seconds from now, not {what}.")
    )
    return None


def _kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    if isinstance(value, str):
        return f"the string {_shown(value)}"
    return (
        "an object" if isinstance(value, Mapping) else "an array" if isinstance(value, list) else type(value).__name__
    )


def _number(value: float) -> str:
    # Beyond 2**128 the digits say nothing any more, and past 4300 of them Python refuses to write them.
    return str(value) if abs(value) < 2**128 else "a far greater number" if value > 0 else "a far smaller number"


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=True)


def _escaped(name: str) -> str:
    """A member's name as an RFC 6901 reference token in a URI fragment."""
    return quote(name[:200].replace("~", "~0").replace("/", "~1").encode("utf-8", "backslashreplace"))
