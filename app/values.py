"""What a setting may be. A parser takes text, as an environment has it, or a Python value.

Its `__doc__` says what is right, as messages repeat it; it is assigned, for `python -OO` keeps no docstrings. A parser
raises ValueError, TypeError, KeyError or OverflowError. A function that takes bounds or words returns one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


def integer(least: int, most: int = INT64_MAX) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, (bool, float)) or not least <= (number := int(value)) <= most:
            raise ValueError
        return number

    parse.__doc__ = (
        f"a whole number from {least} to {most}" if most < INT64_MAX else f"a whole number, at least {least}"
    )
    return parse


def port_number(value: Any) -> int:
    try:
        return integer(0, 65_535)(value)
    except (ValueError, TypeError, OverflowError):
        injected = str(value).startswith("tcp://")
        why = "Kubernetes sets it for a Service named ingest: rename that, or set enableServiceLinks: false"
        raise ValueError(why if injected else "") from None


port_number.__doc__ = "a whole number from 0 to 65535"


_LONGEST = 1e9
"""Seconds of any setting, about thirty years, so that every sum of them is still a moment."""


def seconds(*, above: bool = False) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        number = float(value)
        if isinstance(value, bool) or not 0 <= number <= _LONGEST or (above and not number):
            raise ValueError
        return number

    parse.__doc__ = f"a number of seconds {'above' if above else 'from'} 0, {_LONGEST:.0f} at most"
    return parse


def optional(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    def parse_any(value: Any) -> T | None:
        return None if value is None or value == "" else parse(value)

    parse_any.__doc__ = f"{parse.__doc__}, or nothing"
    return parse_any


def share(least: float, most: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        number = float(value)
        if isinstance(value, bool) or not least <= number <= most or number == 0:
            raise ValueError
        return number

    parse.__doc__ = f"a number {'above' if not least else 'from'} {least:g}, {most:g} at most"
    return parse


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


text.__doc__ = "text"


def choice(*words: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError
        return str(value)

    parse.__doc__ = "one of " + ", ".join(words)
    return parse


def flag(value: Any) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if isinstance(value, bool):
        return value
    return words[str(value).strip().lower()]


flag.__doc__ = "true or false (1 or 0)"


def origins(value: Any) -> tuple[str, ...]:
    origins = (one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value
    return tuple(map(_as_sent, origins))


origins.__doc__ = "origins such as https://app.example.org, separated by commas"


def _as_sent(origin: str) -> str:
    """Returns an origin as browsers send it: in small letters, without the default port (RFC 6454, section 6.1)."""
    parts = urlsplit(origin.lower())
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    if not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin.lower():
        raise ValueError
    return f"{parts.scheme}://{parts.netloc.removesuffix(default)}"


_HEAVIEST = 100


def weights(value: Any) -> tuple[tuple[str, int], ...]:
    entries = [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value
    weights: dict[str, int] = {}
    for entry in entries.items() if isinstance(entries, Mapping) else entries:
        name, weight = (entry.rpartition(":")[::2]) if isinstance(entry, str) else entry
        if not name or name in weights:
            raise ValueError(f"{name!r} is there twice" if name else f"{entry!r} names no caller")
        if isinstance(weight, (bool, float)) or not str(weight).isdecimal() or not 1 <= int(weight) <= _HEAVIEST:
            raise ValueError(f"the weight of {name!r} is {weight!r}")
        weights[name] = int(weight)
    return tuple(weights.items())


weights.__doc__ = "callers with whole numbers from 1 to 100, as nightly:1,web:4"


_QUEUE = re.compile(r"[a-z](?:[a-z0-9_]*[a-z0-9])?")
_TAKEN = {"dashboard", "docs", "ingest", "livez", "metrics", "queues", "readyz", "static"}
"""What the service has at its root, or as a name of its own."""


def queue_names(value: Any) -> tuple[str, ...]:
    names = tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else tuple(value)
    for name in names:
        if not _QUEUE.fullmatch(name) or name in _TAKEN:
            raise ValueError(f"{name!r} cannot be one")
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return names


queue_names.__doc__ = "names such as crm,geo, in lower case, each once"


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING = {"connection", "content-length", "host", "transfer-encoding"}


def header_name(value: Any) -> str:
    name = text(value)
    if name and (_TOKEN.fullmatch(name) is None or name.lower() in _FRAMING):
        raise ValueError
    return name


header_name.__doc__ = "the name of a header"


def headers(value: Any) -> tuple[tuple[str, str], ...]:
    # Errors name headers, but repeat no value: keys are in there.
    try:
        given = json.loads(value) if isinstance(value, str) and value.strip() else value or {}
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON in line {error.lineno}, column {error.colno}: {error.msg}") from None
    if not isinstance(given, Mapping):
        raise ValueError("it is something else")
    headers: dict[str, str] = {}
    for name, text in given.items():
        if not isinstance(name, str) or _TOKEN.fullmatch(name) is None:
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in _FRAMING or name.lower() in headers:
            raise ValueError(f"{name} {'belongs to the connection' if name.lower() in _FRAMING else 'is there twice'}")
        if not isinstance(text, str) or not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", text):
            raise ValueError(f"{name} must be text in Latin-1, without line breaks")
        headers[name.lower()] = text.strip()
    return tuple(headers.items())


headers.__doc__ = "a JSON object of headers, names and text"
