"""The batches in line, one after the other: in strict order, or as their callers take turns."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeAlias, TypeVar

from .models import Priority
from .shares import Rota, Shares

T = TypeVar("T")

BatchPlace: TypeAlias = tuple[float, int, int]
"""Where a batch stands in line: its ingestion's place, then its position."""


class Line(Protocol[T]):
    """What is due, and goes next."""

    def __bool__(self) -> bool:
        """Whether anything is due."""

    def add(self, place: BatchPlace, item: T) -> None:
        """Put in a batch that has fallen due."""

    def take(self) -> T:
        """Returns the batch that goes next and takes it out."""


class InOrder(Generic[T]):
    """Most urgent first. `ready` yields what is due in order, each with its place."""

    def __init__(self, ready: Iterable[tuple[BatchPlace, T]] = ()) -> None:
        self._ready = iter(ready)
        self._next = next(self._ready, None)
        self._fallen: list[tuple[BatchPlace, T]] = []

    def __bool__(self) -> bool:
        return bool(self._next or self._fallen)

    def add(self, place: BatchPlace, item: T) -> None:
        heapq.heappush(self._fallen, (place, item))

    def first(self) -> BatchPlace:
        """Returns the place of the batch that goes next."""
        return min(one[0] for one in (self._next, *self._fallen[:1]) if one)

    def take(self) -> T:
        if self._next and not (self._fallen and self._fallen[0][0] < self._next[0]):
            item, self._next = self._next[1], next(self._ready, None)
            return item
        return heapq.heappop(self._fallen)[1]


Key: TypeAlias = tuple[Priority, str]
"""A caller at a priority."""


class ByTurns(Generic[T]):
    """The priority with the most urgent batch, and in it the caller whose turn it is.

    `ready` yields what is due of each caller at each priority, and `whose` returns the priority and the caller of a
    batch. Turns are taken from `shares`. With ranks that age, finding the next batch looks at every caller. With
    `to_ride`, batches come in the order in which they ride.
    """

    def __init__(
        self,
        shares: Mapping[Priority, Shares],
        ready: Mapping[Key, Iterable[tuple[BatchPlace, T]]],
        whose: Callable[[T], Key],
        *,
        aging: bool,
        to_ride: bool = False,
    ) -> None:
        self._shares = shares
        self._whose = whose
        self._aging = aging
        self._rotas = {priority: Rota(one, to_ride=to_ride) for priority, one in shares.items()}
        self._ready = dict(ready)
        self._lines: dict[Key, InOrder[T]] = {}
        for priority, caller in ready:
            self._rotas[priority].add(caller)

    def __bool__(self) -> bool:
        return bool(self._ready or self._lines)

    def add(self, place: BatchPlace, item: T) -> None:
        key = self._whose(item)
        self._line(key).add(place, item)
        self._rotas[key[0]].add(key[1])

    def take(self) -> T:
        item = self.draw()
        priority, caller = self._whose(item)
        self._shares[priority].take(caller)
        return item

    def draw(self) -> T:
        """Returns the batch that goes next and takes it out, without taking a turn for it."""
        priority = self._most_urgent()
        caller = self._rotas[priority].first()
        key = priority, caller or ""
        line = self._line(key)
        item = line.take()
        if not line:
            del self._lines[key]
            self._rotas[priority].drop(key[1])
        return item

    def ride(self, item: T) -> None:
        """Record that a batch that was drawn rides."""
        priority, caller = self._whose(item)
        self._shares[priority].ride(caller)

    def _line(self, key: Key) -> InOrder[T]:
        if key not in self._lines:
            # Read only now, because few of very many callers have their turn soon.
            self._lines[key] = InOrder(self._ready.pop(key, ()))
        return self._lines[key]

    def _most_urgent(self) -> Priority:
        if not self._aging:
            return next(priority for priority, rota in self._rotas.items() if rota.first() is not None)
        return min((self._line(key).first(), key[0]) for key in [*self._ready, *self._lines])[1]
