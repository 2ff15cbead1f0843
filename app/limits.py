"""Limits as people write them: `10/s`, `100/10s burst 20`."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_LIMIT = re.compile(r"(\d{1,9})\s*/\s*(\d{1,6})?\s*(s|min|h|day)(?:\s+burst\s+(\d{1,9}))?")
_LONGEST = 366 * 86_400


class Limit(NamedTuple):
    """At most `most` starts in any `period` of seconds, at most `burst` of them at once."""

    name: str
    most: int
    period: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds per token, such that any `most` + 1 starts take at least a period.

        A bucket lets k starts through in no less than k - burst intervals (RFC 2215, section 3.6).
        """
        return self.period / (self.most + 1 - self.burst)


def parse_limits(value: Any) -> tuple[Limit, ...]:
    """limits such as 10/s, 600/min, 100/10s burst 20, separated by commas, each in s, min, h or day"""
    limits = []
    for text in value.split(",") if isinstance(value, str) else value:
        words = " ".join(str(text).split())
        if not words:
            continue
        found = _LIMIT.fullmatch(words)
        if found is None:
            raise ValueError(f"{words!r} is none")
        most, length, unit, burst = int(found[1]), int(found[2] or 1), found[3], int(found[4] or 1)
        if most < 1 or not 0 < (period := length * _SECONDS[unit]) <= _LONGEST:
            raise ValueError(f"{words!r} must allow at least 1 in a period of 1 s to 366 days")
        if not 1 <= burst <= most:
            raise ValueError(f"the burst of {words!r} must be from 1 to {most}")
        name = f"{most}/{length if length > 1 else ''}{unit}{f' burst {burst}' if burst > 1 else ''}"
        limits.append(Limit(name, most, float(period), burst))
    names = [limit.name for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError("one of them is there twice")
    return tuple(limits)
