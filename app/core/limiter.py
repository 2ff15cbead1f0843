"""The token bucket: how often a batch may start."""

from __future__ import annotations

import math
import threading


class TokenBucket:
    """One token per `interval` seconds, at most `burst` saved up; starts full.

    Kept as one number, the theoretical arrival time of the virtual scheduling algorithm (ITU-T I.371, annex A): the
    moment at which the bucket would be full again. `now` is always passed in; an interval of 0 does not limit.
    """

    def __init__(self, interval: float, burst: int, full_at: float = -math.inf) -> None:
        self.interval = interval
        self.burst = burst
        self._full_at = full_at
        self._lock = threading.Lock()

    @property
    def full_at(self) -> float:
        """The only state that must survive a restart."""
        return self._full_at

    @property
    def ready_at(self) -> float:
        """When the next token arrives, or arrived."""
        return self._full_at + (1 - self.burst) * self.interval

    def take(self, now: float) -> bool:
        """Take a token if one is available."""
        with self._lock:
            if self._when(0, now) > now:
                return False
            self._full_at = self._from(now) + self.interval
            return True

    def when(self, nth: int, now: float) -> float:
        """Returns when the nth token from now (0 is the next) arrives if every earlier one is taken on arrival."""
        with self._lock:
            return self._when(nth, now)

    def full_from(self, now: float) -> float:
        """Returns the moment at which the bucket would be full again if nothing were taken from `now` on."""
        with self._lock:
            return self._from(now)

    def tokens(self, now: float) -> int:
        """Returns how many tokens are available; `burst` if the interval is 0."""
        with self._lock:
            if not self.interval:
                return self.burst
            return max(0, math.floor(self.burst - (self._from(now) - now) / self.interval + 1e-9))

    def _when(self, nth: int, now: float) -> float:
        at = self._from(now) + (nth + 1 - self.burst) * self.interval
        return at if at > now else now

    def _from(self, now: float) -> float:
        # Never further ahead than an empty bucket: a clock that was set back must not stop the queue.
        if self._full_at > (emptied := now + self.burst * self.interval):
            self._full_at = emptied
        return self._full_at if self._full_at > now else now
