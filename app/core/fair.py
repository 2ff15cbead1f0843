"""How many batches start before a given one where callers take turns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .limiter import Limiter
from .models import Priority
from .schedule import Place
from .shares import Rota, Shares

_STEPS = 2000
"""How many turns are played through one by one, until the last retry falls due."""


class Retry(NamedTuple):
    """A batch that waits for its retry until `due` (epoch seconds), with what places its ingestion in line."""

    due: float
    place: Place
    priority: Priority
    caller: str


class Start(NamedTuple):
    """One of the upcoming starts: its number from 0, and when a token is there for it (epoch seconds)."""

    nth: int
    at: float


class CallerTurns(NamedTuple):
    """What decides when an ingestion's batches go where callers take turns, as a store counts it.

    Of the batches that wait, `urgent` go before any of its priority, `waiting` has those of each caller at its
    priority, and `before` are those of its own caller ahead of it. `retries` returns the first to fall due of those set
    aside. With `aging`, priorities mix, and `urgent` is the most that can go before: at each other priority, all until
    the last with a place before the ingestion's has had its turn. An older batch of another caller may bring the turn
    of its priority sooner.
    """

    place: Place
    priority: Priority
    caller: str
    shares: Shares
    waiting: Mapping[str, int]
    urgent: int
    before: int
    retries: Callable[[int], Sequence[Retry]]
    aging: bool = False

    def ahead(self, nth: int) -> int:
        """Returns how many batches go before the ingestion's nth (from 0), if all that wait are due."""
        return self._ahead(nth, nth)[0]

    def ends(self, count: int) -> tuple[int, int]:
        """Returns how many batches go before the first and the last of the ingestion's next `count`, if all are due."""
        return self._ahead(0, max(0, count - 1))

    def _ahead(self, first: int, last: int) -> tuple[int, int]:
        first, last = self.before + first, self.before + last
        before_first, before_last = self.shares.before(self.waiting, self.caller, first, last)
        return self.urgent + first + sum(before_first), self.urgent + last + sum(before_last)

    def played(
        self, limiter: Limiter, since: float, total: int, own: int, retries: Sequence[Retry]
    ) -> tuple[Start, Start] | None:
        """Returns the first and the last start of the ingestion's first `own` batches, if nothing else arrives.

        `total` batches wait, of which `retries` are all that are not due. Batches are taken to run in no time. None
        where it would take too long to play through.
        """
        return _Play(self, limiter, since, total, own, retries).run()


class _Play:
    """The upcoming starts, one by one until the last retry has fallen due; after that they are a sum."""

    def __init__(
        self, turns: CallerTurns, limiter: Limiter, since: float, total: int, own: int, retries: Sequence[Retry]
    ) -> None:
        self._turns = turns
        self._limiter = limiter
        self._due = since
        self._nth = 0
        self._total = total
        self._shares = turns.shares.copy()
        self._waiting = Counter(turns.waiting)
        self._urgent = turns.urgent
        self._behind = total - turns.urgent - self._waiting.total()
        others = self._waiting[turns.caller] - turns.before - own
        del self._waiting[turns.caller]
        self._mine = [turns.before, own, max(0, others)]
        """The caller's due batches before the ingestion's, the ingestion's, and those after."""
        self._to_come = 0
        """The ingestion's own retries that are not due yet."""
        for retry in retries:
            self._count(retry, -1)
            self._to_come += retry.place == turns.place
        self._behind = max(0, self._behind)  # With ranks that age, some of these count as urgent.
        self._retries = retries if self._to_come else self._that_matter(retries)
        self._at = 0
        self._rota = Rota(self._shares)

    def run(self) -> tuple[Start, Start] | None:
        if not self._to_come:
            first, last = self._sum()
            if last.at < self._next_due():
                return first, last
        if self._turns_at_most() > _STEPS:
            return None
        self._line_up()
        begun: Start | None = None
        while True:
            start = self._fall_due()
            if self._at == len(self._retries):
                break
            size, own = self._step(start)
            at = self._limiter.when(size - 1, start)
            if own:
                last = Start(self._nth + size - 1, at)
                begun = begun or last
                if not self._mine[1] and not self._to_come:
                    return begun, last
            self._due, self._limiter = at, self._limiter.after(size, start)
            self._nth += size
        first, last = self._sum()
        return begun or first, last

    def _that_matter(self, retries: Sequence[Retry]) -> list[Retry]:
        """Returns the retries that change the ingestion's starts once they fall due.

        All of its batches are due. So what is less urgent changes nothing, and another caller's retries matter only if
        it would otherwise have too few batches for its turns before the ingestion's last one.
        """
        turns = self._turns
        one_more = {
            retry.caller: self._waiting[retry.caller] + 1 for retry in retries if retry.priority == turns.priority
        }
        last = turns.before + self._mine[1] - 1
        gone, _ = self._shares.before(one_more, turns.caller, last, last)
        short = {one for one, count in zip(one_more, gone, strict=True) if self._waiting[one] < count}

        def matters(retry: Retry) -> bool:
            if retry.priority == turns.priority and retry.caller != turns.caller:
                return retry.caller in short
            return retry.place < turns.place

        return [retry for retry in retries if matters(retry)]

    def _turns_at_most(self) -> float:
        """Returns how many turns there are at most until all batches are due, or the ingestion's have started."""
        turns, until = self._turns, self._retries[-1].due
        left = self._total if self._to_come else turns.ahead(self._mine[1])
        return min(left, self._limiter.count(self._due, until)) - self._urgent

    def _line_up(self) -> None:
        for caller, count in self._waiting.items():
            if count:
                self._rota.add(caller)
        if any(self._mine):
            self._rota.add(self._turns.caller)

    def _next_due(self) -> float:
        return self._retries[self._at].due if self._at < len(self._retries) else math.inf

    def _fall_due(self) -> float:
        """Returns when the next start is, and counts what falls due by then as due."""
        if not (self._urgent or self._behind or self._rota.first() is not None):
            self._due = max(self._due, self._next_due())
        start = self._limiter.when(0, self._due)
        while self._next_due() <= start:
            retry = self._retries[self._at]
            self._at += 1
            self._count(retry, 1)
            self._to_come -= retry.place == self._turns.place
            if retry.priority == self._turns.priority:
                self._rota.add(retry.caller)
        return start

    def _step(self, start: float) -> tuple[int, bool]:
        """Start batches from one moment on, up to the ingestion's next, or as long as no retry falls due.

        Returns how many, and whether the last is the ingestion's.
        """
        most, size = max(1, self._limiter.count(start, self._next_due())), 0
        if self._urgent:
            size = int(min(self._urgent, most))
            self._urgent -= size
            return size, False
        while size < most and (caller := self._rota.first()) is not None:
            size += 1
            if self._take(caller):
                return size, True
        if not size:
            size = int(min(self._behind, most))
            self._behind -= size
        return size, False

    def _take(self, caller: str) -> bool:
        self._shares.take(caller)
        if caller != self._turns.caller:
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                self._rota.drop(caller)
            return False
        which = next(number for number, count in enumerate(self._mine) if count)
        self._mine[which] -= 1
        if not any(self._mine):
            self._rota.drop(caller)
        return which == 1

    def _count(self, retry: Retry, by: int) -> None:
        turns = self._turns
        if retry.priority != turns.priority:
            if retry.place < turns.place:
                self._urgent += by
            else:
                self._behind += by
        elif retry.caller != turns.caller:
            self._waiting[retry.caller] += by
        else:
            self._mine[(retry.place >= turns.place) + (retry.place > turns.place)] += by

    def _sum(self) -> tuple[Start, Start]:
        """Returns the first and last start of the ingestion's due batches, if no retry falls due before."""
        now = self._turns._replace(
            shares=self._shares, waiting=self._waiting, urgent=self._urgent, before=self._mine[0]
        )
        nths = now.ends(self._mine[1])
        first, last = (Start(self._nth + nth, self._limiter.when(nth, self._due)) for nth in nths)
        return first, last
