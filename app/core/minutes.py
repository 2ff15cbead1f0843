"""What happened in each minute of the last hour, and for how much of it nothing could start."""

from __future__ import annotations

from array import array
from bisect import bisect, bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

from .models import Priority

HOUR = 60
"""Minutes for which figures are kept, including the current one."""

CHANGES = 500
"""Changes of the gate that are kept: the latest."""

_BOUNDS: tuple[float, ...] = tuple(2.0**power for power in range(-4, 19))
"""Waits are counted in buckets between these seconds, and one on either side: under 1/16 s, and 3 days and more."""

_BUCKETS = len(_BOUNDS) + 1
_OFFSETS = tuple(_BUCKETS * (priority - 1) for priority in range(len(Priority) + 1))
NO_WAITS = bytes(4 * _BUCKETS * len(Priority))
"""The counts of waits where nothing has started, 4 bytes each."""


def wait_index(priority: int, waited: float) -> int:
    """Returns where among the counts of waits a batch of this priority counts that was due for so many seconds."""
    return _OFFSETS[priority] + bisect(_BOUNDS, waited)


class Change(NamedTuple):
    """What a change of the gate led to, from `at` on. Times are epoch seconds."""

    at: float
    paused: bool
    hold_until: float


@dataclass(slots=True)
class Minute:
    """The figures of one minute of the clock.

    `starts` counts the batches that started and `failed` those that failed for good. `judged` counts the ingestions
    that ended with an estimate, which was off by `missed` seconds in total. `interval` is the seconds from start to
    start by the rate in force when the first of them started. `waits` counts the starts, by priority and by how long
    they had been due. Nothing could start for `paused` seconds of a pause and `held` seconds of a hold.
    """

    starts: int = 0
    failed: int = 0
    judged: int = 0
    missed: float = 0.0
    interval: float = 0.0
    waits: array[int] = field(default_factory=lambda: array("I", NO_WAITS))
    held: float = 0.0
    paused: float = 0.0

    def start(self, priority: int, waited: float) -> None:
        """Count a batch that starts after it was due for `waited` seconds."""
        self.starts += 1
        self.waits[wait_index(priority, waited)] += 1

    def miss(self, seconds: float) -> None:
        """Count an ingestion whose end was so far from its estimate."""
        self.judged += 1
        self.missed += abs(seconds)

    def waits_at(self, priority: Priority) -> Sequence[int]:
        """Returns the counts of one priority."""
        return self.waits[_OFFSETS[priority] : _OFFSETS[priority] + _BUCKETS]


def wait_quantile(counts: Iterable[Sequence[int]], share: float) -> float | None:
    """Returns for how many seconds at most a `share` of the starts had been due; None where nothing started.

    `counts` are those of one priority, minute by minute. It is right to the bucket and linear within, so it is off by a
    factor of two at most, and by 1/16 s.
    """
    summed: list[int] = [sum(column) for column in zip(*counts, strict=True)]
    rank = share * sum(summed)
    if not rank:
        return None
    reached = list(accumulate(summed))
    nth = bisect_left(reached, rank)
    lower, upper = (0.0, *_BOUNDS, 2 * _BOUNDS[-1])[nth : nth + 2]
    return upper - (upper - lower) * (reached[nth] - rank) / summed[nth]


def add_stops(minutes: dict[int, Minute], changes: Sequence[Change], now: float) -> None:
    """Add to each minute of the last hour for how long nothing could start; `changes` are in the order of time.

    A hold during a pause counts as the pause.
    """
    first = 60.0 * (now // 60 - HOUR + 1)
    for change, (until, *_) in pairwise((*changes, Change(now, False, now))):
        end = until if change.paused else min(until, change.hold_until)
        at = max(change.at, first)
        while at < end:
            minute = minutes.setdefault(int(at // 60), Minute())
            stop = min(end, 60.0 * (at // 60 + 1))
            if change.paused:
                minute.paused += stop - at
            else:
                minute.held += stop - at
            at = stop
