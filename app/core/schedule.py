"""The upcoming starts, in runs: the batches that are ready, and the retries as they fall due."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from .limiter import Limiter

Place: TypeAlias = tuple[float, int]
"""Where an ingestion stands in line: rank, then creation order."""


class Aside(Protocol):
    """The batches waiting for their retry to fall due, as a store counts them."""

    @property
    def counts_all(self) -> bool:
        """Whether `due_by` counts all of them, or only the first to fall due."""

    def due_by(self, moment: float, before: Place | None) -> int:
        """Returns how many are due by `moment`; with `before`, only those of ingestions ahead of that place."""

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due time and its ingestion's place."""

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the earliest and latest due times of those with places from `first` up to `end`."""


class StartRun(NamedTuple):
    """Consecutive starts from one group: `size` of them from number `nth` on, the first and last at these times.

    `limiter` is as before the first of them.
    """

    group: int
    nth: int
    size: int
    first: float
    last: float
    limiter: Limiter


def runs(
    limiter: Limiter, since: float, ready: Sequence[int], retries: Sequence[tuple[float, int]]
) -> Iterator[StartRun]:
    """Yields the starts from `since` on if nothing else arrives, each as soon as there is both a token and a due batch.

    `ready` holds how many batches of each group are due now; `retries` holds the due time and the group of each later
    one, by due time. The first group goes first. Batches are taken to run in no time.
    """
    dues, urgent = [due for due, _ in retries], dict[int, list[float]]()
    waiting, left, nth, at, due = list(ready), sum(ready), 0, 0, since
    while left or at < len(retries):
        if not left:
            # With nothing else waiting, what falls due goes in that order, up to the next of another group.
            group, due = retries[at][1], max(due, dues[at])
            end = next((other for other in range(at, len(retries)) if retries[other][1] != group), len(retries))
            until = dues[end] if end < len(dues) else math.inf
            starts, after = limiter.starts_of([one if one > due else due for one in dues[at:end]], until)
            if starts:
                yield StartRun(group, nth, len(starts), starts[0], starts[-1], limiter)
                limiter, due, nth, at = after, starts[-1], nth + len(starts), at + len(starts)
                continue
        start = limiter.when(0, due)
        while at < len(retries) and dues[at] <= start:
            waiting[retries[at][1]] += 1
            left += 1
            at += 1
        group = 0
        while not waiting[group]:
            group += 1
        size, due = waiting[group], start
        if size > 1:
            # Until a more urgent retry falls due.
            if group not in urgent:
                urgent[group] = [one for one, other in retries if other < group] + [math.inf]
            until = urgent[group][bisect_right(urgent[group], start)]
            size = int(min(size, max(1, limiter.count(start, until))))
            due = limiter.when(size - 1, start)
        yield StartRun(group, nth, size, start, due, limiter)
        limiter = limiter.after(size, start)
        waiting[group] -= size
        left -= size
        nth += size
