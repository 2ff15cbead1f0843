"""When waiting batches will start and end if nothing else arrives."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from .fair import CallerTurns
from .limiter import Limiter
from .line import BatchPlace, Line
from .models import Priority
from .reports import Depth, Estimate, Quote
from .schedule import Aside, Place, StartRun, runs
from .slots import Slots

T = TypeVar("T")
_FIRST: Place = (-math.inf, 0)

EXACT_RETRIES = 500
"""How many retries are simulated one by one, the first to fall due; those after them are counted."""


class Prospect(NamedTuple):
    """What a store counts for one unfinished ingestion, which stands at `place`.

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


class Span(NamedTuple):
    """The starts of some batches: the first is number `nth` of all upcoming ones, at `first`; the last is at `last`.

    `earliest` is when the first could start, however soon a slot is free.
    """

    nth: int
    earliest: float
    first: float
    last: float


class Timeline(NamedTuple):
    """The upcoming starts, as determined by limiter, pause, hold, retries and free slots. Times are epoch seconds.

    `waiting` counts all batches in line, `aside` holds those of them that wait for a retry, and `parked` counts what is
    not in line. Starts are numbered from `begun`, which is 0 but for a timeline that goes on where another was left.

    With `early`, a batch may ride in the call of an earlier one or need none, or what goes first at other priorities is
    not known, so a start is the latest it can be. One that waits for its retry may be later still: when it falls due, a
    queue that is further on may just have spent its token on what is less urgent.
    """

    now: float
    limiter: Limiter
    not_before: float
    slots: Slots
    paused: bool
    waiting: int
    aside: Aside
    parked: int = 0
    early: bool = False
    begun: int = 0

    def earliest(self, nth: int) -> float:
        """Returns the earliest time at which the nth ready batch (from 0) can start."""
        return self.limiter.when(nth - self.begun, max(self.now, self.not_before))

    def start(self, nth: int) -> float:
        """Returns when the nth ready batch should start."""
        return max(self.earliest(nth), self.slots.free_at(nth))

    def last_start(self, extra: int = 0) -> float:
        """Returns when the last waiting batch should start if `extra` more batches were ready."""
        return self.overall(self.waiting + extra - 1, extra)

    def overall(self, nth: int, extra: int = 0) -> float:
        """Returns when start number `nth` should happen if `extra` more batches were ready."""
        ready = self.waiting + extra - self.aside.due_by(math.inf, None)
        at = self.earliest(nth)
        if nth >= ready:
            # There may be a gap before that, until a retry falls due.
            retries = [(due, 0) for due, _ in self.aside.soonest(EXACT_RETRIES)]
            for run in runs(self.limiter, max(self.now, self.not_before), (ready,), retries):
                if run.nth <= nth:
                    at = run.at(nth)
        return max(at, self.slots.free_at(nth))

    def added(self, ahead: int, count: int, place: Place, turns: CallerTurns | None = None) -> Span:
        """Returns the starts of `count` new batches at a place, where `ahead` batches wait before it.

        Where callers take `turns`, by these.
        """
        if turns is not None:
            return self._by_turns(turns, count)
        return self._ready(ahead, count, place)

    def until_started(self, prospect: Prospect, nth: int) -> float | None:
        """Returns the seconds until an ingestion's nth waiting batch has started, None while it is paused.

        If some of them are retries, until all have.
        """
        if self.paused or prospect.parked:
            return None
        place, ahead, waiting, _, _, _, turns = prospect
        end = place[0], place[1] + 1
        if self.aside.due_by(math.inf, end) > self.aside.due_by(math.inf, place):
            span = self._by_turns(turns, waiting) if turns else self._span(place, end, ahead, waiting)
            return span.last - self.now
        return self.added(ahead, nth + 1, place, turns).last - self.now

    def batch_start(
        self, place: Place, ahead: int, before: int, due: float | None, turns: CallerTurns | None = None
    ) -> float | None:
        """Returns when a waiting batch should start, None while the queue is paused.

        `ahead` batches wait at places before its ingestion's `place`, and `before` of the ingestion's own before it. It
        never started if `due` is None; otherwise it is due then, and `before` counts those due by now. Where callers
        take `turns`, these say what is ahead: exact unless something waits for its retry, and close then, for retries
        count as if they were due.
        """
        if turns is not None:
            at = self.start(turns.ahead(before))
        else:
            at = self.added(ahead + before, 1, place if due is not None else (place[0], place[1] + 1)).first
        return self._known(max(at, due or 0.0))

    def quotes(
        self,
        line: Callable[[Priority], tuple[int, Place, CallerTurns | None]],
        count: int,
        is_parked: Callable[[Priority], bool],
    ) -> dict[Priority, Quote]:
        """Returns what `count` batches submitted now can expect at each priority.

        `line` returns how many batches wait before a new ingestion of a priority, its place, and the turns it gets, and
        `is_parked` whether it would be in line.
        """
        found = {}
        for priority in Priority:
            ahead, place, turns = line(priority)
            span = self.added(ahead, count, place, turns)
            latest = self._is_latest(0, turns)
            if is_parked(priority):
                found[priority] = Quote(span.nth, None, None, latest)
            else:
                last = self._known(span.last + self.slots.service)
                found[priority] = Quote(span.nth, self._known(span.first), last, latest)
        return found

    def completion(self, ahead: int, count: int, place: Place, turns: CallerTurns | None = None) -> float | None:
        """Returns when the last of `count` new batches should end, None while the queue is paused."""
        return self._known(self.added(ahead, count, place, turns).last + self.slots.service)

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
        drained_at = self._known(self._span(first, place, before, ahead - before).last + self.slots.service)
        return Depth(waiting + parked, oldest_at, drained_at, parked)

    def estimate(self, prospect: Prospect) -> Estimate:
        """Returns what an unfinished ingestion can expect."""
        now, (place, ahead, waiting, retrying, started, parked, turns) = self.now, prospect
        ends = list(map(self.slots.expected_end, started))
        if not waiting:
            return Estimate(0, None, max(ends), now)
        latest = self._is_latest(retrying, turns)
        if parked:
            return Estimate(self.added(ahead, 1, place, turns).nth, None, None, now if ends else None, latest)
        fresh, end = waiting > retrying, (place[0], place[1] + 1)
        if turns is not None:
            span = self._by_turns(turns, waiting, fresh=fresh)
        else:
            span = self._span(place, end, ahead, waiting, fresh=fresh)
        if self.paused:
            return Estimate(span.nth, None, None, now if ends else None, latest)
        completion = max(span.last + self.slots.service, *ends, now)
        earliest = self.earliest(0) if self.early else span.earliest
        return Estimate(span.nth, span.first, completion, now if ends else earliest, latest)

    def upcoming(
        self, line: Line[T], retries: Sequence[tuple[float, BatchPlace, T]], limit: int
    ) -> list[tuple[T, float | None]]:
        """Returns the next `limit` batches in the order they start, each with its start (None while paused).

        `line` holds the due ones, which it is emptied of, `retries` the first to fall due, each with its due time.
        """
        found: list[tuple[T, float | None]] = []
        later, due = list(reversed(retries)), max(self.now, self.not_before)
        limiter = self.limiter
        while len(found) < limit and (later or line):
            if not line:
                due = max(due, later[-1][0])
            due = max(limiter.when(0, due), self.slots.free_at(len(found)))
            while later and later[-1][0] <= due:
                line.add(*later.pop()[1:])
            item = line.take()
            limiter = limiter.after(1, due)
            found.append((item, self._known(due)))
        return found

    def _is_latest(self, retrying: int, turns: CallerTurns | None) -> bool:
        """Returns whether nothing of an ingestion starts later than foretold; `retrying` of it failed before."""
        retries = self.aside.due_by(math.inf, None) if turns and turns.aging else retrying
        return self.early and not retries

    def _span(self, first: Place, end: Place, ahead: int, count: int, *, fresh: bool = True) -> Span:
        """Returns the starts of the `count` batches with places from `first` up to `end`; `ahead` wait before them.

        With more than EXACT_RETRIES, what starts after that many have fallen due gets a lower bound. It is exact if at
        each token until the last of these falls due, some of these or before them are due. `fresh` says whether any of
        them has never failed.
        """
        aside_ahead = self.aside.due_by(math.inf, first)
        aside = self.aside.due_by(math.inf, end) - aside_ahead
        if not aside:
            return self._ready(ahead, count, first)
        if not self.aside.counts_all:
            return self._no_sooner(self._ready(ahead, count, first), *self.aside.bounds(first, end), fresh=fresh)
        retries = [(due, (place >= first) + (place >= end)) for due, place in self.aside.soonest(EXACT_RETRIES + 1)]
        until = math.inf
        if len(retries) > EXACT_RETRIES:
            # Whatever falls due from then on may be more urgent.
            until, _ = retries[-1] = retries[-1][0], 0
        ready = ahead - aside_ahead, count - aside
        behind = self.waiting - self.aside.due_by(math.inf, None) - sum(ready)
        own, left, overtaken = list[StartRun](), count, 0
        for run in runs(self.limiter, max(self.now, self.not_before), (*ready, behind), retries):
            if not left or run.first >= until:
                break
            if run.group == 1:
                own.append(run)
                left -= run.size
            elif run.group == 2:
                overtaken += run.size
        spans = [self._of(run) for run in (*own[:1], *own[-1:])]
        if left:
            later = self._replace(limiter=run.limiter, not_before=run.first, begun=run.nth)
            rest = later._ready(ahead + overtaken, count, first)
            spans.append(later._no_sooner(rest, *self.aside.bounds(first, end), fresh=count > aside))
        return spans[0]._replace(last=spans[-1].last)

    def _of(self, run: StartRun) -> Span:
        last = run.nth + run.size - 1
        starts = max(run.first, self.slots.free_at(run.nth)), max(run.last, self.slots.free_at(last))
        return Span(run.nth, run.first, *starts)

    def _by_turns(self, turns: CallerTurns, count: int, *, fresh: bool = True) -> Span:
        """Returns the starts of `count` batches of an ingestion where callers take turns; `fresh` as for `_span`."""
        retries = turns.retries(EXACT_RETRIES + 1)
        if not retries:
            return self._in_line(*turns.ends(count))
        since, exact = max(self.now, self.not_before), len(retries) <= EXACT_RETRIES
        if exact and (played := turns.played(self.limiter, since, self.waiting, count, retries)):
            first, last = played
            start, end = max(first.at, self.slots.free_at(first.nth)), max(last.at, self.slots.free_at(last.nth))
            return Span(first.nth, first.at, start, end)
        # With too many retries to play through, they count as if they were due.
        span = self._in_line(*turns.ends(count))
        place, end_of = turns.place, (turns.place[0], turns.place[1] + 1)
        if self.aside.due_by(math.inf, end_of) == self.aside.due_by(math.inf, place):
            return span
        return self._no_sooner(span, *self.aside.bounds(place, end_of), fresh=fresh)

    def _in_line(self, first: int, last: int) -> Span:
        """Returns the starts from one number to another, with no gap in between."""
        earliest = self.earliest(first)
        start = max(earliest, self.slots.free_at(first))
        return Span(first, earliest, start, start if last == first else self.start(last))

    def _ready(self, ahead: int, count: int, place: Place) -> Span:
        """Returns the starts of `count` batches that are ready at a place; `ahead` wait before it."""
        ahead -= (retries := self.aside.due_by(math.inf, place))
        first, last = ahead, ahead + count - 1
        if retries:
            first, last = self._number(first, place), self._number(last, place)
        return self._in_line(first, last)

    def _number(self, ready: int, place: Place | None) -> int:
        """Returns the number of the start after `ready` batches, and after the retries before a place due by then."""
        nth = ready
        while (more := ready + self.aside.due_by(self.start(nth), place)) > nth:
            nth = more
        return nth

    def _no_sooner(self, span: Span, first_due: float, last_due: float, *, fresh: bool) -> Span:
        """Returns the starts of batches of which some, if `fresh` not all, fall due from `first_due` to `last_due`."""
        span = span._replace(last=max(span.last, self._token(last_due)[1]))
        if fresh:
            return span
        nth, first = self._token(first_due)
        return Span(max(span.nth, nth), max(span.earliest, first), max(span.first, first), span.last)

    def _token(self, due: float) -> tuple[int, float]:
        """Returns the number and time of the first token from `due` on; only `due` if all may have started by then."""
        nth = self.begun + self.limiter.count(max(self.now, self.not_before), due)
        taken = self._number(self.waiting - self.aside.due_by(math.inf, None), None) if self.aside.counts_all else 0
        return (int(nth), max(due, self.earliest(int(nth)))) if nth < taken else (self.begun, due)

    def _known(self, moment: float) -> float | None:
        return None if self.paused else moment
