"""The upcoming starts where retries fall due in between: when they are, and which are those of the most urgent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

from .limiter import Limiter, Steady

Place: TypeAlias = tuple[float, int]
"""Where an ingestion stands in line: rank, then creation order."""


class Aside(Protocol):
    """The batches waiting for their retry to fall due, as a store counts them."""

    @property
    def counts_all(self) -> bool:
        """Whether `count` counts all of them, or only the first to fall due."""

    def count(self, before: Place | None) -> int:
        """Returns how many there are; with `before`, only those of ingestions ahead of that place."""

    def fallen(self, ready: int, before: Place | None, start: Callable[[int], float], steady: Steady) -> int:
        """Returns how many fall due by the start after `ready` batches and them; `before` as in `count`.

        `start` returns when a start is by its number, and `steady` says how soon it can be.
        """

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due time and its ingestion's place."""

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the earliest and latest due times of those with places from `first` up to `end`."""


class Schedule:
    """The upcoming starts from `since` on if nothing else arrives, numbered from 0.

    `ready` batches are due then, and `retries` are the others by due time; `numbers` says for each of these which start
    is the first from its due time on. Batches are taken to run in no time. There is a start as soon as there are both a
    token and a due batch, so when it is does not depend on which of those goes first.
    """

    def __init__(self, limiter: Limiter, since: float, ready: int, retries: Sequence[tuple[float, Place]]) -> None:
        self._limiter = limiter
        self._since = since
        self._ready = ready
        self._retries = retries
        self._then, at = (limiter.after(ready, since), limiter.when(ready - 1, since)) if ready else (limiter, since)
        self._dues = [due if due > at else at for due, _ in retries]
        self._later, _ = self._then.starts_of(self._dues)
        early = bisect_right(retries, at, key=itemgetter(0)) if ready else 0
        counts = limiter.counts(since, [due for due, _ in retries[:early]]) if early else ()
        # None is beyond what is ready, but after very many resets a quota no longer says how many.
        self.numbers = [int(min(nth, ready)) for nth in counts]
        self.numbers += [ready + bisect_left(self._later, due) for due in self._dues[early:]]

    def at(self, nth: int) -> float:
        """Returns when a start is."""
        return self._limiter.when(nth, self._since) if nth < self._ready else self._later[nth - self._ready]

    def after(self, count: int) -> Limiter:
        """Returns the limiter after so many starts."""
        if count > self._ready:
            return self._then.starts_of(self._dues[: count - self._ready])[1]
        return self._limiter.after(count, self._since) if count else self._limiter

    def taken(self, before: Place, ready: int) -> Taken:
        """Returns the starts that batches with places before one take, of which `ready` are due."""
        later, nth = list[int](), ready
        for number, (_, place) in zip(self.numbers, self._retries, strict=True):
            if place < before:
                if number > nth:
                    nth = number
                later.append(nth)
                nth += 1
        return Taken(ready, later)


class Taken(NamedTuple):
    """The starts that the most urgent batches take: the first `ready`, then those with the numbers in `later`."""

    ready: int
    later: Sequence[int]

    def below(self, nth: int) -> int:
        """Returns how many have a number below this one."""
        return min(self.ready, nth) + bisect_left(self.later, nth)
