"""Times as people read them: how long ago, how soon, or in full."""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


class Times(NamedTuple):
    """Writes RFC 3339 times in relation to `now`, in seconds since the epoch, or `in_full`, as they are."""

    now: float
    in_full: bool = False

    @staticmethod
    def local(*, in_full: bool = False) -> Times:
        """Returns what writes times in relation to this machine's clock."""
        return Times(time.time(), in_full)

    def as_of(self, stamp: str) -> Times:
        """Returns the same in relation to a time by the service's clock."""
        return self._replace(now=_seconds(stamp))

    def ago(self, stamp: str) -> str:
        """Returns a time that has passed, such as `3 min ago`."""
        if self.in_full:
            return stamp
        age = self.now - _seconds(stamp)
        return "just now" if age < 1 else f"{about(age)} ago"

    def roughly_ago(self, stamp: str) -> str:
        """Returns the same in its largest unit alone, such as `2 h ago`: 10 characters at most, for 999 days."""
        told = self.ago(stamp)
        return told if self.in_full or told == "just now" else " ".join([*told.split()[:2], "ago"])

    def due(self, stamp: str) -> str:
        """Returns a time to come, such as `in 3 min 20 s`, or `now` if it is here."""
        if self.in_full:
            return stamp
        left = _seconds(stamp) - self.now
        return "now" if left < 0.05 else f"in {duration(left)}"

    def around(self, stamp: str) -> str:
        """Returns a time that is still to come or has passed."""
        return self.due(stamp) if _seconds(stamp) > self.now else self.ago(stamp)


def duration(seconds: float) -> str:
    """Returns seconds in words, coarser the more there are: 4.2 s, 42 s, 3 min 20 s, 2 h 05 min, 3 d 4 h."""
    whole = max(0, round(seconds))
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole // _MINUTE % 60:02d} min"
    return f"{whole // _DAY} d {whole // _HOUR % 24} h"


def about(seconds: float) -> str:
    """Returns the same without the seconds of a minute."""
    if seconds >= _HOUR:
        return duration(seconds)
    return f"{int(seconds // _MINUTE)} min" if seconds >= _MINUTE else f"{int(max(0.0, seconds))} s"


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
