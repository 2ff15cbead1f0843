"""Quotas that reset at a time of day, around token buckets."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from ..limits import Quota
from .buckets import Buckets
from .limiter import Level, Steady

_LONGEST_DAY = 26 * 3600.0
_SHORTEST_DAY = 22 * 3600.0
"""Antarctica/Troll moves its clocks by two hours; nobody moves them further."""

_EXACT = 100
"""Windows counted one by one at most."""


class Used(NamedTuple):
    """How many starts a quota counts in the window that begins at `since`."""

    quota: Quota
    since: float
    starts: int = 0

    def at(self, now: float) -> Used:
        """Returns what is used in the window of a moment; a clock set back stays in the window it was in."""
        since = self.quota.reset(now)
        return self if since <= self.since else Used(self.quota, since)

    @property
    def left(self) -> int:
        return max(0, self.quota.most - self.starts)

    @property
    def until(self) -> float:
        return self.quota.reset(self.since, 1)


class Stretch(NamedTuple):
    """The time from one reset to the next: how many starts fit, and the limiter and what is used as it begins."""

    since: float
    until: float
    fits: int
    limiter: Buckets
    used: Sequence[Used]


class Quotas:
    """Token buckets whose starts also count towards quotas."""

    def __init__(self, limiter: Buckets, used: Sequence[Used]) -> None:
        self.limiter = limiter
        self.used = used
        self._lock = threading.Lock()

    @property
    def ready_at(self) -> float:
        return max([self.limiter.ready_at, *(one.until for one in self.used if not one.left)])

    def take(self, now: float) -> bool:
        with self._lock:
            used = [one.at(now) for one in self.used]
            if not all(one.left for one in used) or not self.limiter.take(now):
                return False
            self.used = _counted(used, 1)
            return True

    def when(self, nth: int, now: float) -> float:
        since, limiter, _, rest = self._find(nth, now)
        return limiter.when(rest, since)

    def steady(self, now: float) -> Steady:
        return self.limiter.steady(now)

    def count(self, now: float, until: float) -> float:
        return math.inf if until == math.inf else self.counts(now, [until])[0]

    def counts(self, now: float, untils: Sequence[float]) -> Sequence[float]:
        found, passed, stretches = list[float](), 0, islice(self._stretches(now), _EXACT)
        stretch = next(stretches, None)
        for until in untils:
            while stretch and stretch.until < until:
                passed += stretch.fits
                stretch = next(stretches, None)
            in_it = min(_left(stretch.used), stretch.limiter.count(stretch.since, until)) if stretch else math.inf
            found.append(passed + in_it)
        return found

    def after(self, count: int, now: float) -> Quotas:
        since, limiter, used, rest = self._find(count - 1, now)
        return Quotas(limiter.after(rest + 1, since), _counted(used, rest + 1))

    def starts_of(self, dues: Sequence[float]) -> tuple[Sequence[float], Quotas]:
        starts, limiter, used, since = list[float](), self.limiter, self.used, -math.inf
        while len(starts) < len(dues):
            # From one reset to the next; what falls due later passes over resets.
            left = dues[len(starts) :]
            since = limiter.when(0, max(since, left[0]))
            used = [one.at(since) for one in used]
            until = min(one.until for one in used)
            some, limiter = limiter.starts_of([max(due, since) for due in left[: _left(used)]], until)
            starts += some
            used, since = _counted(used, len(some)), until
        return starts, Quotas(limiter, used)

    def tokens(self, now: float) -> int:
        return min(self.limiter.tokens(now), _left([one.at(now) for one in self.used]))

    def least_time(self, count: int) -> float:
        # The first window may be as good as over when its starts come, and the last one has just begun.
        whole = max(-(-count // one.quota.most) - 2 for one in self.used)
        return max(self.limiter.least_time(count), whole * _SHORTEST_DAY)

    def levels(self, now: float) -> Sequence[Level]:
        used = [one.at(now) for one in self.used]
        quotas = (Level(one.quota.name, one.left, now if one.left else one.until) for one in used)
        return [*self.limiter.levels(now), *quotas]

    def _find(self, nth: int, now: float) -> tuple[float, Buckets, Sequence[Used], int]:
        """Returns when the window of the nth start from now begins, what is left of all limits then, and its number.

        Exact for 100 windows, and beyond them if every day is like the one before it, or the quotas no longer bind.
        """
        most = min(one.quota.most for one in self.used)
        for number, (since, until, fits, limiter, used) in enumerate(self._stretches(now), 1):
            if nth < fits:
                return since, limiter, used, nth
            nth, limiter = nth - fits, _after(limiter, fits, since)
            fresh = [one.at(until) for one in _counted(used, fits)]
            slow = limiter.least_time(most + 1) >= _LONGEST_DAY
            alike = len(used) == 1 and limiter.after(most, until).full_at <= until + _SHORTEST_DAY
            if not slow and (alike or number == _EXACT):
                days, rest = divmod(nth, most)
                at = max(fresh, key=lambda one: one.since).quota.reset(until, days)
                slow = limiter.when(nth, until) > at + _LONGEST_DAY
                if not slow:
                    # So many days later, all is as it is now.
                    return Quotas(limiter, [one._replace(since=one.quota.reset(at)) for one in fresh])._find(rest, at)
            if slow:
                # The quotas do not bind.
                at = max(until, *(one.quota.reset(limiter.when(nth, until)) for one in used))
                passed = int(limiter.count(until, at))
                return at, _after(limiter, passed, until), [one.at(at) for one in used], nth - passed
        raise AssertionError("there is always a next day")

    def _stretches(self, now: float) -> Iterator[Stretch]:
        """Yields the time from now on, from reset to reset, with the starts that fit into each."""
        limiter, used, since = self.limiter, [one.at(now) for one in self.used], now
        while True:
            until = min(one.until for one in used)
            fits = int(min(_left(used), limiter.count(since, until)))
            yield Stretch(since, until, fits, limiter, used)
            limiter, used, since = _after(limiter, fits, since), [one.at(until) for one in _counted(used, fits)], until


def _after(limiter: Buckets, count: int, since: float) -> Buckets:
    return limiter.after(count, since) if count else limiter


def _counted(used: Sequence[Used], count: int) -> list[Used]:
    return [one._replace(starts=one.starts + count) for one in used]


def _left(used: Sequence[Used]) -> int:
    return min(one.left for one in used)
