"""How a message repeats what was sent: quoted, shortened, harmless; and how it counts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def shown(text: str) -> str:
    """Returns a caller's text as a message quotes it: escaped and shortened."""
    return json.dumps(text if len(text) <= 60 else text[:60] + "…", ensure_ascii=True)


def printable(text: str) -> str:
    """Returns text with its control characters as escapes, so that it can make no line and no colour of its own."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def plural(count: int, one: str) -> str:
    """Returns so many of something in words, such as `1 batch` or `2 batches`."""
    return f"{count} {one}{'' if count == 1 else 'es' if one.endswith('ch') else 's'}"


def tenths(seconds: float) -> str:
    """Returns seconds with one digit, rounded up: what is too long never reads as if it were not."""
    return f"{math.ceil(round(10 * seconds, 3)) / 10:.1f}"


def as_sent(value: Any) -> str:
    """Returns a value as a message repeats it: a text quoted, anything else by its kind."""
    return shown(value) if isinstance(value, str) else kind_of(value)


def kind_of(value: Any) -> str:
    """Returns a value in words: a number in digits, a text as a quoted string, any other by the name of its type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _digits(value)
    if isinstance(value, str):
        return f"the string {shown(value)}"
    return (
        "an object" if isinstance(value, Mapping) else "an array" if isinstance(value, list) else type(value).__name__
    )


def _digits(value: float) -> str:
    # Beyond 2**128 the digits are of no use, and Python refuses to print more than 4300 of them.
    return str(value) if not abs(value) >= 2**128 else "a far greater number" if value > 0 else "a far smaller number"
