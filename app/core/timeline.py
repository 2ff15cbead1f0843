"""When waiting batches will start and end if nothing else arrives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from .fair import CallerTurns
from .line import BatchPlace, Line
from .models import Priority
from .reports import Depth, Estimate, Quote
from .schedule import Place
from .starts import Span, Starts

T = TypeVar("T")
_FIRST: Place = (-math.inf, 0)


class Prospect(NamedTuple):
    """What a store counts for an unfinished ingestion, or for one that may be accepted, which stands at `place`.

    `ahead` batches wait at places before it, and `waiting` of its own, of which `retrying` failed before. `started`
    holds when the earliest and the latest of its running batches started; it may be empty. If it is `parked`, it is not
    in line. `turns` is given where callers take turns, and then says what is ahead in place of `ahead`.
    """

    place: Place
    ahead: int
    waiting: int
    retrying: int
    started: Sequence[float]
    parked: bool = False
    turns: CallerTurns | None = None


class Timeline(NamedTuple):
    """What the upcoming `starts` mean for whoever waits, unless the queue is `paused`. Times are epoch seconds.

    `parked` counts the batches that are not in line.

    With `early`, a batch may ride in the call of an earlier one or need none, or what goes first at other priorities is
    not known, so a start is the latest it can be. One that waits for its retry may start later still: when it falls
    due, a queue that is ahead of its estimates may just have spent the token on something less urgent.
    """

    starts: Starts
    paused: bool
    parked: int = 0
    early: bool = False

    def added(self, prospect: Prospect) -> Span:
        """Returns the starts of a new ingestion's batches."""
        if prospect.turns is not None:
            return self.starts.by_turns(prospect.turns, prospect.waiting)
        return self.starts.ready(prospect.ahead, prospect.waiting, prospect.place)

    def until_started(self, prospect: Prospect, nth: int) -> float:
        """Returns the seconds until an ingestion's nth due batch has started.

        Where callers take turns and some of it is not due, all that wait count as due.
        """
        place, ahead, turns = prospect.place, prospect.ahead, prospect.turns
        if not turns:
            return self.starts.ready_start(ahead + nth, place) - self.starts.now
        if self.starts.aside.count((place[0], place[1] + 1)) > self.starts.aside.count(place):
            return self.starts.start(turns.ahead(nth)) - self.starts.now
        return self.starts.by_turns(turns, nth + 1).last - self.starts.now

    def until_retried(self, prospect: Prospect, before: int, due: float) -> float:
        """Returns the seconds until a batch has started that is due then; `before` of its ingestion are due by now."""
        place, ahead, turns = prospect.place, prospect.ahead + before, prospect.turns
        at = self.starts.start(turns.ahead(before)) if turns else self.starts.ready_start(ahead, place)
        return (at if at > due else self.starts.tokens(due)[0][1]) - self.starts.now

    def batch_start(self, prospect: Prospect, before: int, due: float | None) -> float | None:
        """Returns when a waiting batch of an ingestion should start, None while the queue is paused.

        `before` of the ingestion's own wait before it. It never started if `due` is None; otherwise it is due then, and
        `before` counts those due by now. Where callers take turns, this is exact unless something waits for its retry,
        and close then, for retries count as if they were due.
        """
        place, ahead, turns = prospect.place, prospect.ahead, prospect.turns
        if turns is not None:
            at = self.starts.start(turns.ahead(before))
        else:
            at = self.starts.ready_start(ahead + before, place if due is not None else (place[0], place[1] + 1))
        return self._known(max(at, due or 0.0))

    def quotes(self, prospect: Callable[[Priority], Prospect]) -> dict[Priority, Quote]:
        """Returns what a submission can expect at each priority, given what is counted for it there."""
        found = {}
        for priority in Priority:
            new = prospect(priority)
            span, latest = self.added(new), self._is_latest(new)
            if new.parked:
                found[priority] = Quote(span.nth, None, None, latest)
            else:
                last = self._known(span.last + self.starts.slots.service)
                found[priority] = Quote(span.nth, self._known(span.first), last, latest)
        return found

    def completion(self, prospect: Prospect) -> float | None:
        """Returns when the last batch of a new ingestion should end, None while that or the queue is paused."""
        starts, (place, ahead, count, _, _, parked, turns) = self.starts, prospect
        if parked:
            return None
        last = starts.by_turns(turns, count).last if turns else starts.ready_start(ahead + count - 1, place)
        return self._known(last + starts.slots.service)

    def depth(
        self, waiting: int, oldest_at: float | None, ahead: int, place: Place, parked: int, *, aging: bool
    ) -> Depth:
        """Returns the depth of a priority, given that `ahead` batches wait before the place of a new ingestion.

        `waiting` batches are in line, and `parked` ones are not. With `aging`, where priorities mix, the end of all
        that goes before the new one is told.
        """
        if not waiting:
            return Depth(parked, None, None, parked)
        first, before = (_FIRST, 0) if aging else ((place[0], 0), ahead - waiting)
        drained_at = self._known(
            self.starts.between(first, place, before, ahead - before).last + self.starts.slots.service
        )
        return Depth(waiting + parked, oldest_at, drained_at, parked)

    def estimate(self, prospect: Prospect) -> Estimate:
        """Returns what an unfinished ingestion can expect."""
        now, (place, ahead, waiting, retrying, started, parked, turns) = self.starts.now, prospect
        ends = list(map(self.starts.slots.expected_end, started))
        if not waiting:
            return Estimate(0, None, max(ends), now)
        latest = self._is_latest(prospect)
        if parked:
            nth = self.added(prospect._replace(waiting=1)).nth
            return Estimate(nth, None, None, now if ends else None, latest)
        fresh, end = waiting > retrying, (place[0], place[1] + 1)
        if turns is not None:
            span = self.starts.by_turns(turns, waiting, fresh=fresh)
        else:
            span = self.starts.between(place, end, ahead, waiting, fresh=fresh)
        if self.paused:
            return Estimate(span.nth, None, None, now if ends else None, latest)
        completion = max(span.last + self.starts.slots.service, *ends, now)
        earliest = self.starts.earliest(0) if self.early else span.earliest
        return Estimate(span.nth, span.first, completion, now if ends else earliest, latest)

    def upcoming(
        self, line: Line[T], retries: Iterable[tuple[float, BatchPlace, T]], limit: int
    ) -> list[tuple[T, float | None]]:
        """Returns the next `limit` batches in the order they start, each with its start (None while paused).

        `line` and `retries` as in Starts.
        """
        return [(item, self._known(start)) for item, start in self.starts.upcoming(line, retries, limit)]

    def _is_latest(self, prospect: Prospect) -> bool:
        """Returns whether nothing of an ingestion starts later than foretold."""
        turns = prospect.turns
        retries = self.starts.aside.count(None) if turns and turns.aging else prospect.retrying
        return self.early and not retries

    def _known(self, moment: float) -> float | None:
        return None if self.paused else moment
