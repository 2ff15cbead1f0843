"""Several token buckets at once."""

from __future__ import annotations

import math
import sys
import threading
from bisect import bisect_left
from collections.abc import Sequence

from .limiter import Level, Steady, TokenBucket


class Buckets:
    """Several token buckets by their names: a start takes a token of each, all or none.

    The nth start is at the latest of the buckets' nth from the first start on: what each lets through from then is a
    concave function of time, and of several such shapers in a row the output is the least of what each alone lets
    through (Le Boudec and Thiran, "Network Calculus", sections 1.5 on greedy shapers and 3.1 on star-shaped functions).
    """

    def __init__(self, buckets: dict[str, TokenBucket]) -> None:
        self.buckets = buckets
        self._lock = threading.Lock()

    @property
    def full_at(self) -> float:
        """When all tokens would be there if none were taken; up to then its state matters."""
        return max(bucket.full_at for bucket in self.buckets.values())

    @property
    def ready_at(self) -> float:
        return max(bucket.ready_at for bucket in self.buckets.values())

    def take(self, now: float) -> bool:
        with self._lock:
            if self.when(0, now) > now:
                return False
            for bucket in self.buckets.values():
                bucket.take(now)
            return True

    def when(self, nth: int, now: float) -> float:
        first = max(bucket.when(0, now) for bucket in self.buckets.values())
        return max(bucket.when(nth, first) for bucket in self.buckets.values()) if nth else first

    def steady(self, now: float) -> Steady:
        first = self.when(0, now)
        return max(bucket.steady(first) for bucket in self.buckets.values())

    def count(self, now: float, until: float) -> float:
        return math.inf if until == math.inf else self.counts(now, [until])[0]

    def counts(self, now: float, untils: Sequence[float]) -> Sequence[float]:
        first = self.when(0, now)
        return [min(some) for some in zip(*(one.counts(first, untils) for one in self.buckets.values()), strict=True)]

    def after(self, count: int, now: float) -> Buckets:
        first, last = self.when(0, now), self.when(count - 1, now)
        return Buckets({name: _taken(bucket, count, first, last) for name, bucket in self.buckets.items()})

    def starts_of(self, dues: Sequence[float], before: float = math.inf) -> tuple[Sequence[float], Buckets]:
        """Returns what it does for any limiter, but only the starts before a moment."""
        # From the first start on, the buckets in a row let through what they do together.
        first = self.when(0, dues[0]) if dues else math.inf
        starts: Sequence[float] = [due if due > first else first for due in dues]
        for bucket in self.buckets.values():
            starts, _ = bucket.starts_of(starts)
        starts = starts[: bisect_left(starts, before)]
        return starts, Buckets({name: bucket.starts_of(starts)[1] for name, bucket in self.buckets.items()})

    def tokens(self, now: float) -> int:
        # Without any that limits, quotas alone do.
        return min((level.tokens for level in self.levels(now)), default=sys.maxsize)

    def least_time(self, count: int) -> float:
        return max(bucket.least_time(count) for bucket in self.buckets.values())

    def levels(self, now: float) -> Sequence[Level]:
        return [
            Level(name, bucket.tokens(now), bucket.when(0, now))
            for name, bucket in self.buckets.items()
            if bucket.interval
        ]


def _taken(bucket: TokenBucket, count: int, first: float, last: float) -> TokenBucket:
    """Returns the bucket after `count` starts, the times between them growing, from the `first` to the `last`."""
    # A start at t leaves the bucket full no sooner than the rest of them after it allow. Of these bounds, one for each
    # start, an end is the greatest, because the starts are a convex function of their number.
    full_at = max(bucket.full_from(first) + count * bucket.interval, last + bucket.interval)
    return bucket.full_again(full_at)
