"""When the upcoming starts are, by their numbers, and those of the batches between two places."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple, TypeVar

from .fair import CallerTurns
from .limiter import Limiter, Steady
from .line import BatchPlace, Line
from .schedule import Aside, Place, Schedule
from .slots import Slots

T = TypeVar("T")

EXACT_RETRIES = 500
"""How many retries are simulated one by one, the first to fall due; those after them are counted."""


class Span(NamedTuple):
    """The starts of some batches: the first is number `nth` of all upcoming ones, at `first`; the last is at `last`.

    `earliest` is when the first could start, however soon a slot is free.
    """

    nth: int
    earliest: float
    first: float
    last: float


class Starts(NamedTuple):
    """The upcoming starts, as determined by limiter, hold, retries and free slots. Times are epoch seconds.

    From `since` on, now or the end of a hold, they are possible if there is a token. `waiting` counts all batches in
    line, and `aside` holds those of them that wait for a retry. Starts are numbered from `begun`, which is 0 but where
    others went before.
    """

    now: float
    limiter: Limiter
    since: float
    slots: Slots
    waiting: int
    aside: Aside
    begun: int = 0

    def earliest(self, nth: int) -> float:
        """Returns the earliest time at which the nth ready batch (from 0) can start."""
        return self.limiter.when(nth - self.begun, self.since)

    def start(self, nth: int) -> float:
        """Returns when the nth ready batch should start."""
        earliest, free_at = self.earliest(nth), self.slots.free_at(nth)
        return earliest if earliest > free_at else free_at

    def last_start(self) -> float:
        """Returns when the last waiting batch should start."""
        return self.overall(self.waiting - 1)

    def overall(self, nth: int) -> float:
        """Returns when start number `nth` should happen."""
        return max(self.once_started(nth + 1)[0], self.slots.free_at(nth))

    def once_started(self, count: int) -> tuple[float, Limiter]:
        """Returns when there have been tokens for so many of the waiting batches, and the limiter from then on."""
        at, limiter, aside = self.since, self.limiter, self.aside.count(None)
        if ready := min(count, self.waiting - aside):
            at, limiter = limiter.when(ready - 1, at), limiter.after(ready, at)
        if left := count - ready:
            # There may be a gap before each, until it falls due.
            soonest = self.aside.soonest(min(EXACT_RETRIES, left))
            starts, limiter = limiter.starts_of([max(due, at) for due, _ in soonest])
            at, left = starts[-1], left - len(starts)
        if left:
            at, limiter = limiter.when(left - 1, at), limiter.after(left, at)
        return at, limiter

    def tokens(self, *dues: float) -> list[tuple[int, float]]:
        """Returns the number and time of the first token from each moment on; just the moment if all may have started
        by then.
        """
        taken = self._number(self.waiting - self.aside.count(None), None) if self.aside.counts_all else 0

        def token(due: float) -> tuple[int, float]:
            nth = self.begun + self.limiter.count(self.since, due)
            return (int(nth), max(due, self.earliest(int(nth)))) if nth < taken else (self.begun, due)

        return list(map(token, dues))

    def ready(self, ahead: int, count: int, place: Place) -> Span:
        """Returns the starts of `count` batches that are ready at a place; `ahead` wait before it."""
        ahead -= (retries := self.aside.count(place))
        first, last = ahead, ahead + count - 1
        if retries:
            first, last = self._number(first, place), self._number(last, place)
        return self._in_line(first, last)

    def ready_start(self, nth: int, place: Place) -> float:
        """Returns when the nth of the batches before a place and those that are ready there should start."""
        ready = nth - (retries := self.aside.count(place))
        return self.start(self._number(ready, place) if retries else ready)

    def between(self, first: Place, end: Place, ahead: int, count: int, *, fresh: bool = True) -> Span:
        """Returns the starts of the `count` batches with places from `first` up to `end`; `ahead` wait before them.

        With more than EXACT_RETRIES, what starts after that many have fallen due gets a lower bound. It is exact if at
        each token until the last of these falls due, some of these or before them are due. `fresh` says whether any of
        them has never failed.
        """
        aside_ahead = self.aside.count(first)
        aside = self.aside.count(end) - aside_ahead
        if not aside:
            return self.ready(ahead, count, first) if aside_ahead else self._in_line(ahead, ahead + count - 1)
        if not self.aside.counts_all:
            return self._no_sooner(self.ready(ahead, count, first), *self.aside.bounds(first, end), fresh=fresh)
        ready_ahead, ready = ahead - aside_ahead, self.waiting - self.aside.count(None)
        for most in (EXACT_RETRIES // 16, EXACT_RETRIES):  # Few are mostly enough.
            retries = self.aside.soonest(most + 1)
            schedule = Schedule(self.limiter, self.since, ready, retries)
            before = schedule.taken(first, ready_ahead)
            up_to = schedule.taken(end, ready_ahead + count - aside)
            # Whatever falls due from then on may be more urgent.
            until = schedule.numbers[-1] if len(retries) > most else self.waiting
            if up_to.below(until) - before.below(until) == count:
                break

        def number(nth: int) -> int:
            """Returns the number of the nth start of these, `until` if it is later."""
            return bisect_left(range(until), nth + 1, key=lambda at: up_to.below(at + 1) - before.below(at + 1))

        def span(nth: int, last: int) -> Span:
            at, end = schedule.at(nth), schedule.at(last)
            return Span(nth, at, max(at, self.slots.free_at(nth)), max(end, self.slots.free_at(last)))

        nth, last = number(0), number(count - 1)
        if last < until:
            return span(nth, last)
        later = self._replace(limiter=schedule.after(until), since=schedule.at(until), begun=until)
        rest = later.ready(ahead + until - up_to.below(until), count, first)
        rest = later._no_sooner(rest, *self.aside.bounds(first, end), fresh=count > aside)
        return span(nth, nth)._replace(last=rest.last) if nth < until else rest

    def by_turns(self, turns: CallerTurns, count: int, *, fresh: bool = True) -> Span:
        """Returns the starts of `count` batches of an ingestion where callers take turns; `fresh` as in `between`."""
        retries = turns.retries(EXACT_RETRIES + 1)
        if not retries:
            return self._in_line(*turns.ends(count))
        few = len(retries) <= EXACT_RETRIES
        if few and (played := turns.played(self.limiter, self.since, self.waiting, count, retries)):
            first, last = played
            start, end = max(first.at, self.slots.free_at(first.nth)), max(last.at, self.slots.free_at(last.nth))
            return Span(first.nth, first.at, start, end)
        # With too many retries to play through, they count as if they were due.
        span = self._in_line(*turns.ends(count))
        place, end_of = turns.place, (turns.place[0], turns.place[1] + 1)
        if self.aside.count(end_of) == self.aside.count(place):
            return span
        return self._no_sooner(span, *self.aside.bounds(place, end_of), fresh=fresh)

    def upcoming(
        self, line: Line[T], retries: Iterable[tuple[float, BatchPlace, T]], limit: int
    ) -> list[tuple[T, float]]:
        """Returns the next `limit` batches in the order they start, each with its start.

        `line` holds the due ones, which it is emptied of. `retries` yields the others as they fall due, each with its
        due time; the first EXACT_RETRIES are looked at.
        """
        found: list[tuple[T, float]] = []
        due, limiter, coming = self.since, self.limiter, islice(retries, EXACT_RETRIES)
        later = next(coming, None)
        while len(found) < limit and (later or line):
            if later and not line:
                due = max(due, later[0])
            due = max(limiter.when(0, due), self.slots.free_at(len(found)))
            while later and later[0] <= due:
                line.add(*later[1:])
                later = next(coming, None)
            item = line.take()
            limiter = limiter.after(1, due)
            found.append((item, due))
        return found

    def _in_line(self, first: int, last: int) -> Span:
        """Returns the starts from one number to another, with no gap in between."""
        earliest, free_at = self.earliest(first), self.slots.free_at(first)
        start = earliest if earliest > free_at else free_at
        return Span(first, earliest, start, start if last == first else self.start(last))

    def _number(self, ready: int, place: Place | None) -> int:
        """Returns the number of the start after `ready` batches, and after the retries before a place due by then."""
        interval, since = self.limiter.steady(self.since)
        steady = Steady(interval, since - self.begun * interval)
        return ready + self.aside.fallen(ready, place, self.start, steady)

    def _no_sooner(self, span: Span, first_due: float, last_due: float, *, fresh: bool) -> Span:
        """Returns the starts of batches of which some, if `fresh` not all, fall due from `first_due` to `last_due`."""
        (nth, first), (_, last) = self.tokens(first_due, last_due)
        span = span._replace(last=max(span.last, last))
        if fresh:
            return span
        return Span(max(span.nth, nth), max(span.earliest, first), max(span.first, first), span.last)
