"""Timelines as no store supplies them: every number is chosen by the test."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from app.core import Place, Slots, Starts, Steady, Timeline, TokenBucket

NOW = 1000.0
FIRST: Place = (2.0, 1)
"""The place of an ingestion; the next one's is (2.0, 2)."""


class ListAside:
    """The retries as their due time and place."""

    counts_all = True

    def __init__(self, *retries: tuple[float, Place]) -> None:
        self.retries = sorted(retries)

    def count(self, before: Place | None) -> int:
        return sum(before is None or place < before for _, place in self.retries)

    def fallen(self, ready: int, before: Place | None, start: Callable[[int], float], steady: Steady) -> int:
        found = 0
        for due in [due for due, place in self.retries if before is None or place < before]:
            assert start(ready + found) >= steady.since + (ready + found) * steady.interval
            found += due <= start(ready + found)
        return found

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        return self.retries[:limit]

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        dues = [due for due, place in self.retries if first <= place < end]
        return (dues[0], dues[-1]) if dues else (math.nan, math.nan)


def timeline(
    *retries: tuple[float, Place],
    interval: float = 0.0,
    burst: int = 1,
    hold: float = 0.0,
    started: Sequence[float] = (),
    slots: int = 1,
    service: float = 0.0,
    paused: bool = False,
    waiting: int = 0,
) -> Timeline:
    limiter = TokenBucket(interval, burst)
    taken = Slots(slots, len(started), lambda: started, service, NOW)
    return Timeline(Starts(NOW, limiter, NOW + hold, taken, waiting, ListAside(*retries)), paused)


def but(made: Timeline, **changes: Any) -> Timeline:
    """A timeline of which something about the starts is another."""
    return made._replace(starts=made.starts._replace(**changes))
