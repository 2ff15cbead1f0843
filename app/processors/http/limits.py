"""What the headers of an answer say of the upstream's limits: when to ask again, and whether anything is left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...httpclient import seconds_to_wait, sent_at, whole_number

_LEAST, _MOST = 1.0, 86_400.0

_EPOCH, _EPOCH_MILLISECONDS = 1e9, 1e11
"""Above which a reset is a moment, in seconds or milliseconds since 1970, not seconds from now."""

_STRING = r'"(?:[^"\\]|\\.)*"'
_PARAMETER = rf";\s*([\w.*-]+)(?:=({_STRING}|[^,;\"\s]*))?"
_MEMBER = re.compile(rf"\s*({_STRING}|[\w.*-]+(?:=\d+)?)\s*((?:{_PARAMETER}\s*)*)(?:,|$)")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds of a Retry-After header, as `seconds_to_wait`, from 1 to a day; None if it has none."""
    seconds = seconds_to_wait(headers.get)
    return None if seconds is None else _bounded(seconds)


def exhausted(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds, from 1 to a day, until an exhausted limit is reset; None if none is exhausted.

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
            yield reset - sent_at(headers.get) if reset > _EPOCH else reset


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
    return None if text is None else whole_number(text)


def _bounded(seconds: float) -> float:
    return min(max(seconds, _LEAST), _MOST)
