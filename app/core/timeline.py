"""When what waits will start and end, if nothing else arrives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .limiter import TokenBucket
from .models import Priority
from .reports import Depth, Estimate, Quote


class Prospect(NamedTuple):
    """What a store counts of one unfinished ingestion.

    `ahead` batches go before its own `waiting` ones, of which `retrying` go again: the first at `first_due`, the last
    at `last_due`. `started` holds when the earliest and the latest of its running batches started; it may be empty.
    """

    ahead: int
    waiting: int
    retrying: int
    first_due: float
    last_due: float
    started: Sequence[float]


class Timeline(NamedTuple):
    """The starts to come, as far as limiter, pause, hold and free slots tell. Times are epoch seconds.

    `running` batches take up some of `slots`; each batch is expected to run for `service` seconds.
    """

    now: float
    bucket: TokenBucket
    not_before: float
    running: int
    slots: int
    service: float
    paused: bool

    def earliest(self, nth: int) -> float:
        """Returns the moment before which the nth waiting batch (from 0) cannot start, even with a free slot."""
        return self.bucket.when(nth, max(self.now, self.not_before))

    def start(self, nth: int) -> float:
        """Returns when the nth waiting batch should start."""
        rounds = (nth + self.running) // self.slots
        return max(self.earliest(nth), self.now + rounds * self.service)

    def end(self, nth: int) -> float:
        """Returns when the nth waiting batch should end."""
        return self.start(nth) + self.service

    def known_start(self, nth: int) -> float | None:
        """Returns `start`, or None while the queue is paused."""
        return None if self.paused else self.start(nth)

    def known_end(self, nth: int) -> float | None:
        """Returns `end`, or None while the queue is paused."""
        return None if self.paused else self.end(nth)

    def quotes(self, ahead_of_new: Callable[[Priority], int], count: int) -> dict[Priority, Quote]:
        """Returns what `count` batches submitted now can expect at each priority."""
        found = {}
        for priority in Priority:
            ahead = ahead_of_new(priority)
            found[priority] = Quote(ahead, self.known_start(ahead), self.known_end(ahead + count - 1))
        return found

    def depth(self, waiting: int, oldest_at: float | None, ahead: int) -> Depth:
        """Returns the depth of a priority at which batches wait; `ahead` of a new ingestion are all of those."""
        return Depth(waiting, oldest_at, self.known_end(ahead - 1))

    def estimate(self, prospect: Prospect) -> Estimate:
        """Returns what an unfinished ingestion can expect."""
        now, (ahead, waiting, retrying, first_due, last_due, started) = self.now, prospect
        ends = [max(now, one + self.service) for one in started]
        if not waiting:
            return Estimate(0, None, max(ends), now)
        if self.paused:
            return Estimate(ahead, None, None, now if ends else None)
        # Only where all batches wait for a retry can none start before the first is due.
        due = first_due if retrying == waiting else now
        completion = max(self.end(ahead + waiting - 1), *ends, last_due, now)
        next_change = now if ends else max(self.earliest(ahead), due)
        return Estimate(ahead, max(self.start(ahead), due), completion, next_change)
