"""Limits as people write them: `10/s`, `100/10s burst 20`, `5000/day at 00:00 America/Los_Angeles`."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

_SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_LIMIT = re.compile(r"(\d{1,9})\s*/\s*(\d{1,6})?\s*(s|min|h|day)(?: burst (\d{1,9}))?")
_QUOTA = re.compile(r"(\d{1,9})\s*/\s*day at (\d\d):(\d\d) (\S+)")
_LONGEST = 366 * 86_400

_CYCLE = 146_097
"""Days in 400 years, after which the calendar is the same again, days of the week included."""


LATENESS = 0.01
"""Seconds by which a start may be late without a limit losing anything: more than waking up and a claim take."""


class Limit(NamedTuple):
    """At most `most` starts in any `period` of seconds, at most `burst` of them at once."""

    name: str
    most: int
    period: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds per token, such that any `most` + 1 starts take at least a period.

        A bucket lets k starts through in no less than k - capacity intervals (RFC 2215, section 3.6).
        """
        return (self.period + LATENESS) / (self.most + 1 - self.burst)

    @property
    def capacity(self) -> float:
        """Tokens saved up at most: the burst, and what arrives within LATENESS, by which a late start is made up."""
        return self.burst + LATENESS / self.interval


class Quota(NamedTuple):
    """At most `most` starts from one `at` o'clock to the next, by the clocks of a time zone."""

    name: str
    most: int
    at: time
    zone: str

    @property
    def interval(self) -> float:
        """Seconds from one start to the next in the long run."""
        return _SECONDS["day"] / self.most

    def reset(self, now: float, days: int = 0) -> float:
        """Returns the latest reset up to now, or as many days after that one. Epoch seconds."""
        zone = ZoneInfo(self.zone)
        # There is no date after the year 9999, but every 400 years are like the ones before.
        past, now = divmod(now, _CYCLE * _SECONDS["day"])
        coming, days = divmod(days, _CYCLE)
        day = datetime.fromtimestamp(now, zone).date()
        while self._on(day, zone) > now:  # twice at most, where the clocks skip midnight
            day -= timedelta(1)
        return self._on(day + timedelta(days), zone) + (past + coming) * _CYCLE * _SECONDS["day"]

    def _on(self, day: date, zone: ZoneInfo) -> float:
        return datetime.combine(day, self.at, zone).timestamp()


AnyLimit: TypeAlias = Limit | Quota


def parse_limits(value: Any) -> tuple[AnyLimit, ...]:
    limits = []
    for text in value.split(",") if isinstance(value, str) else value:
        if words := " ".join(str(text).split()):
            quota = _QUOTA.fullmatch(words)
            limits.append(_quota(words, quota) if quota else _limit(words))
    names = [limit.name for limit in limits]
    if len(set(names)) < len(names):
        raise ValueError("one of them is there twice")
    return tuple(limits)


parse_limits.__doc__ = (
    "limits such as 10/s, 100/10s burst 20, 5000/day at 00:00 UTC, separated by commas, each in s, min, h or day"
)


def _limit(words: str) -> Limit:
    found = _LIMIT.fullmatch(words)
    if found is None:
        raise ValueError(f"{words!r} is none")
    most, length, unit, burst = int(found[1]), int(found[2] or 1), found[3], int(found[4] or 1)
    if most < 1 or not 0 < (period := length * _SECONDS[unit]) <= _LONGEST:
        raise ValueError(f"{words!r} must allow at least 1 in a period of 1 s to 366 days")
    if not 1 <= burst <= most:
        raise ValueError(f"the burst of {words!r} must be from 1 to {most}")
    name = f"{most}/{length if length > 1 else ''}{unit}{f' burst {burst}' if burst > 1 else ''}"
    return Limit(name, most, float(period), burst)


def _quota(words: str, found: re.Match[str]) -> Quota:
    most, hour, minute, zone = int(found[1]), int(found[2]), int(found[3]), found[4]
    if most < 1:
        raise ValueError(f"{words!r} must allow at least 1")
    if hour > 23 or minute > 59:
        raise ValueError(f"{words!r} has no time of day from 00:00 to 23:59")
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone known here; the package tzdata brings them all") from None
    return Quota(f"{most}/day at {hour:02}:{minute:02} {zone}", most, time(hour, minute), zone)
