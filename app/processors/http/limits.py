"""What the headers of an answer say of the upstream's limits: when to ask again, and whether anything is left."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

_LEAST, _MOST = 1.0, 86_400.0

_EPOCH, _EPOCH_MILLISECONDS = 1e9, 1e11
"""Above which a reset is a moment, in seconds or milliseconds since 1970, not seconds from now."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf";\s*([\w.*-]+)(?:=({_STRING}|[^,;\"\s]*))?"
_MEMBER = re.compile(rf"\s*({_STRING}|[\w.*-]+(?:=\d+)?)\s*((?:{_PARAMETER}\s*)*)(?:,|$)")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds of a Retry-After header (RFC 9110, section 10.2.3), from 1 to a day; None if it has none.

    A date counts from the answer's own Date, where it has one, so the two clocks need not agree. Of several headers,
    as a proxy may add one, the longest wait counts.
    """
    value = headers.get("retry-after", "").strip()
    waits = [seconds for one in value.split(",") if (seconds := _number(one)) is not None]
    if (until := _http_date(value)) is not None:
        waits.append(until - _sent(headers))
    return _bounded(max(waits)) if waits else None


def exhausted(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds, from 1 to a day, until a limit is reset of which nothing is left; None if there is none.

    Read are `RateLimit` with `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10, and the one member of its
    version 07), `RateLimit-Remaining` with `RateLimit-Reset` (versions 00 to 06, seconds), and the same two with `X-`
    in front, in seconds or as a moment since 1970. Of several limits the one that is reset last counts.
    """
    waits = [*_current(headers), *_in_one(headers), *_in_two(headers)]
    return _bounded(max(waits)) if waits else None


def _current(headers: Mapping[str, str]) -> Iterator[float]:
    """Reads `RateLimit: "name";r=remaining;t=seconds, ...`; without `t`, the policy's window `w` bounds it."""
    windows = {name: parameters.get("w") for name, parameters in _members(headers.get("ratelimit-policy", ""))}
    for name, parameters in _members(headers.get("ratelimit", "")):
        if _number(parameters.get("r")) == 0:
            seconds = _number(parameters.get("t", windows.get(name)))
            if seconds is not None:
                yield seconds


def _in_one(headers: Mapping[str, str]) -> Iterator[float]:
    """Reads `RateLimit: limit=10, remaining=0, reset=7`."""
    names = [name for name, _ in _members(headers.get("ratelimit", "")) if not name.startswith('"')]
    said = dict(name.split("=") for name in names if "=" in name)
    if _number(said.get("remaining")) == 0 and (seconds := _number(said.get("reset"))) is not None:
        yield seconds


def _in_two(headers: Mapping[str, str]) -> Iterator[float]:
    for name in ("ratelimit", "x-ratelimit"):
        reset = _number(headers.get(f"{name}-reset"))
        if _number(headers.get(f"{name}-remaining")) == 0 and reset is not None:
            reset /= 1000 if reset > _EPOCH_MILLISECONDS else 1
            yield reset - _sent(headers) if reset > _EPOCH else reset


def _members(text: str) -> list[tuple[str, dict[str, str]]]:
    """Returns the members of a list of structured fields (RFC 9651, section 3.1), none if it is malformed."""
    found, at = [], 0
    while at < len(text):
        if (member := _MEMBER.match(text, at)) is None:
            return []
        found.append((member[1], dict(re.findall(_PARAMETER, member[2]))))
        at = member.end()
    return found


def _number(text: str | None) -> float | None:
    """Returns a whole number, None for anything else."""
    text = (text or "").strip()
    return float(text) if text.isascii() and text.isdigit() else None


def _sent(headers: Mapping[str, str]) -> float:
    """Returns when an answer was sent, in epoch seconds."""
    sent = _http_date(headers.get("date", ""))
    return time.time() if sent is None else sent


def _http_date(text: str) -> float | None:
    """Returns the epoch seconds of an HTTP-date in any of its three forms (RFC 9110, section 5.6.7), else None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _bounded(seconds: float) -> float:
    return min(max(seconds, _LEAST), _MOST)
