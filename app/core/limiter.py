"""How often a batch may start: a limiter, and the token bucket that is one."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Level(NamedTuple):
    """How a limit stands: the tokens there are, and when the next one is there (epoch seconds)."""

    limit: str
    tokens: int
    next_at: float


class Steady(NamedTuple):
    """How soon starts can be in the long run: number n (from 0) at `since + n * interval` (epoch seconds) or later."""

    interval: float
    since: float


class Limiter(Protocol):
    """What says when the next batches may start. `now` is always passed in; tokens are numbered from 0, the next."""

    @property
    def ready_at(self) -> float:
        """When the next token arrives, or arrived."""

    def take(self, now: float) -> bool:
        """Take a token if one is available."""

    def when(self, nth: int, now: float) -> float:
        """Returns when the nth token from now arrives if every earlier one is taken on arrival."""

    def steady(self, now: float) -> Steady:
        """Returns how soon starts from now on can be in the long run."""

    def count(self, now: float, until: float) -> float:
        """Returns how many tokens arrive from now until before `until` if each is taken on arrival."""

    def counts(self, now: float, untils: Sequence[float]) -> Sequence[float]:
        """Returns what `count` returns until each of these moments, which are finite and in order."""

    def after(self, count: int, now: float) -> Limiter:
        """Returns the limiter from which `count` tokens were taken from now on, each on arrival."""

    def starts_of(self, dues: Sequence[float]) -> tuple[Sequence[float], Limiter]:
        """Returns when batches that fall due at these moments start, as soon as there are tokens, and the limiter then.

        The moments are in order, and none is before the latest start.
        """

    def tokens(self, now: float) -> int:
        """Returns how many tokens are available."""

    def least_time(self, count: int) -> float:
        """Returns the least seconds from the first of `count` starts to the last."""

    def levels(self, now: float) -> Sequence[Level]:
        """Returns how each of several limits stands; empty where there is one."""


class TokenBucket:
    """One token per `interval` seconds, at most `burst` saved up, parts of one included; starts full.

    Kept as one number, the theoretical arrival time of the virtual scheduling algorithm (ITU-T I.371, annex A): the
    moment at which the bucket would be full again. An interval of 0 does not limit. After a change of the rate it may
    be emptier than empty, by `debt` seconds at most.
    """

    def __init__(self, interval: float, burst: float, full_at: float = -math.inf, debt: float = 0.0) -> None:
        self.interval = interval
        self.burst = burst
        self.debt = debt
        self._fills_in = burst * interval
        self._first_from_full = (1 - burst) * interval
        self._full_at = full_at
        self._lock = threading.Lock()

    @property
    def full_at(self) -> float:
        """The only state that must survive a restart."""
        return self._full_at

    @property
    def ready_at(self) -> float:
        return self._full_at + self._first_from_full

    def take(self, now: float) -> bool:
        with self._lock:
            full_at = self._from(now)
            if full_at + self._first_from_full > now:
                return False
            self._full_at = full_at + self.interval
            return True

    def when(self, nth: int, now: float) -> float:
        with self._lock:
            at = self._from(now) + (nth + 1 - self.burst) * self.interval
        return at if at > now else now

    def steady(self, now: float) -> Steady:
        return Steady(self.interval, self.full_from(now) + self._first_from_full)

    def count(self, now: float, until: float) -> float:
        return math.inf if until == math.inf else self.counts(now, [until])[0]

    def counts(self, now: float, untils: Sequence[float]) -> Sequence[float]:
        if not self.interval:
            return [math.inf if until > now else 0 for until in untils]
        full_at, interval, burst = self.full_from(now), self.interval, self.burst
        return [max(0, math.ceil((until - full_at) / interval - 1 + burst)) if until > now else 0 for until in untils]

    def after(self, count: int, now: float) -> TokenBucket:
        return self.full_again(self.full_from(now) + count * self.interval)

    def starts_of(self, dues: Sequence[float]) -> tuple[Sequence[float], TokenBucket]:
        starts: list[float] = []
        full_at = self.full_from(dues[0]) if dues else self._full_at
        for due in dues:
            token_at = full_at + self._first_from_full
            start = token_at if token_at > due else due
            starts.append(start)
            full_at = (full_at if full_at > start else start) + self.interval
        return starts, self.full_again(full_at)

    def full_again(self, at: float) -> TokenBucket:
        """Returns the same bucket, but full at another moment."""
        return TokenBucket(self.interval, self.burst, at, self.debt)

    def full_from(self, now: float) -> float:
        """Returns the moment at which the bucket would be full again if nothing were taken from `now` on."""
        with self._lock:
            return self._from(now)

    def tokens(self, now: float) -> int:
        """Returns how many tokens are available; `burst` if the interval is 0."""
        with self._lock:
            if not self.interval:
                return math.floor(self.burst)
            return max(0, math.floor(self.burst - (self._from(now) - now) / self.interval + 1e-9))

    def least_time(self, count: int) -> float:
        return max(0, count - self.burst) * self.interval

    def levels(self, now: float) -> Sequence[Level]:  # noqa: ARG002 - as of any limiter
        return ()

    def _from(self, now: float) -> float:
        # Never further ahead than an empty bucket and its debt: a clock that was set back must not stop the queue.
        if self._full_at > (emptied := now + self._fills_in + self.debt):
            self._full_at = emptied
        return self._full_at if self._full_at > now else now
