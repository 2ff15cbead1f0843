"""The members of a request: which it may have, and what the value of one means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ..errors import Fault
from .models import Priority
from .quoting import as_sent, shown

SECONDS_BELOW = 1e10
"""What seconds from now, or ago, stay below in a request."""

_PRIORITIES = dict(Priority.__members__)  # a view of them is made at each look

LISTED = 100
"""How many faults of one kind are listed individually."""


def unknown_members(body: Mapping[str, Any], known: Sequence[str], query: Sequence[str] = ()) -> list[Fault]:
    """Returns what is wrong with a body that may have only some members: a fault for each other, up to a hundred.

    A member that the request's `query` may have is sent there.
    """
    unknown = [name for name in body if name not in known]
    those = f"{'that is' if len(known) == 1 else 'those are'} {', '.join(known)}" if known else "it takes no body"
    faults = []
    for name in unknown[:LISTED]:
        there = f", but {name} in its query" if name in query else ""
        faults.append(Fault(f"#/{_escaped(name)}", f"{shown(name)} is not a member of this request; {those}{there}."))
    if len(unknown) > LISTED:
        faults.append(Fault("#", f"{len(unknown) - LISTED} more members are not known either."))
    return faults


def number_of(value: Any) -> float | None:
    """Returns a number, None for anything else: true and false are none."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole_of(value: Any) -> int | None:
    """Returns a whole number, None for anything else; 3.0 is one, as in JSON Schema."""
    found = number_of(value)
    return None if found is None or found % 1 else int(found)


def priority_of(value: Any) -> Priority | None:
    """Returns the priority that a value is or names; None for anything else."""
    if isinstance(value, Priority):
        return value
    return _PRIORITIES.get(value) if isinstance(value, str) else None


def priority_fault(value: Any) -> str:
    """Returns what is wrong with something that is no priority, as the rest of a sentence."""
    return f"must be HIGH, MEDIUM or LOW, not {as_sent(value)}."


def priority_member(value: Any, faults: list[Fault]) -> Priority | None:
    """Returns the priority that a body names; None, and a fault, if it names none."""
    if (priority := priority_of(value)) is None:
        faults.append(Fault("#/priority", f"priority {priority_fault(value)}"))
    return priority


def moment_of(text: str) -> float | None:
    """Returns an RFC 3339 time with its offset in epoch seconds, None for any other text."""
    try:
        moment = datetime.fromisoformat(text.upper().replace("Z", "+00:00"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def past_moment(value: Any, now: float) -> float | None:
    """Returns a time that is an RFC 3339 time or seconds ago, in epoch seconds; None if it is neither."""
    if (seconds := number_of(value)) is not None:
        return now - seconds if 0 <= seconds < SECONDS_BELOW else None
    return moment_of(value) if isinstance(value, str) else None


def _escaped(name: str) -> str:
    """Returns a member's name as an RFC 6901 reference token in a URI fragment."""
    return quote(name[:200].replace("~", "~0").replace("/", "~1").encode("utf-8", "backslashreplace"))
