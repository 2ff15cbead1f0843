"""The batches waiting for their retry, by due time, and how many of them are ahead of a place."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, islice

from ..core import Place, Steady
from ..queue import Entry
from .record import Record

_SIZE = 512
"""Average number of entries in a block: enough to keep blocks few, few enough to sort a block quickly."""


class Block:
    """Consecutive entries by due time; `places` has their places in order, or nothing until they are sorted."""

    __slots__ = ("_first_start", "dues", "entries", "places")

    def __init__(self, dues: list[float], entries: list[Entry[Record]]) -> None:
        self.dues = dues
        self.entries = entries
        self._changed()

    def _changed(self) -> None:
        self.places: list[Place] = []
        self._first_start: tuple[float, float] | None = None

    def add(self, entry: Entry[Record]) -> None:
        at = bisect_right(self.dues, entry.due)
        self.dues.insert(at, entry.due)
        self.entries.insert(at, entry)
        self._changed()

    def drop(self, count: int) -> list[Entry[Record]]:
        """Remove and return the first entries."""
        gone, self.dues, self.entries = self.entries[:count], self.dues[count:], self.entries[count:]
        self._changed()
        return gone

    def take(self, due: float, record: Record) -> list[Entry[Record]]:
        """Remove and return the entries of an ingestion that are due at one time."""
        span = range(bisect_left(self.dues, due), bisect_right(self.dues, due))
        found = [at for at in span if self.entries[at].owner is record]
        taken = [self.entries[at] for at in found]
        for at in reversed(found):
            del self.dues[at], self.entries[at]
            self._changed()
        return taken

    def split(self) -> Block:
        """Keep the first half and return the second."""
        half = len(self.dues) // 2
        other = Block(self.dues[half:], self.entries[half:])
        self.dues, self.entries = self.dues[:half], self.entries[:half]
        self._changed()
        return other

    def sort(self) -> list[Place]:
        """Returns the places of the entries in order, and keeps them in `places` until an entry comes or goes."""
        self.places = sorted(entry[:2] for entry in self.entries)
        return self.places

    def dues_of(self, before: Place) -> list[float]:
        """Returns the due times of the entries that have a place before one, in order."""
        if (self.places or self.sort())[-1] < before:
            return self.dues
        return [entry.due for entry in self.entries if entry.place < before]

    def fallen(self, ready: int, before: Place, start: Callable[[int], float]) -> int:
        """Returns what Aside.fallen does, of the entries of this block."""
        dues, found = self.dues_of(before), 0
        while (more := bisect_right(dues, start(ready + found))) > found:
            found = more
        return found

    def first_start(self, interval: float) -> float:
        """Returns how soon the first can start if each is due when it starts, one every `interval` seconds."""
        if self._first_start is None or self._first_start[0] != interval:
            self._first_start = interval, max(due - nth * interval for nth, due in enumerate(self.dues))
        return self._first_start[1]

    def holds(self, first: Place, end: Place) -> bool:
        """Returns whether any entry has a place from `first` up to `end`."""
        places = self.places or self.sort()
        return bisect_left(places, first) < bisect_left(places, end)


class Aside:
    """Entries set aside until they are due.

    Called under the store's lock. A sorted list in blocks: adding costs O(sqrt n), and counting the entries due by a
    moment and ahead of a place looks at each block once and at the entries of one.
    """

    counts_all = True

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, entry: Entry[Record]) -> None:
        """Set an entry aside until it is due."""
        self._count += 1
        if not self._blocks:
            self._blocks.append(Block([entry.due], [entry]))
            return
        at = bisect_left(self._blocks, entry.due, key=lambda block: block.dues[-1])
        block = self._blocks[min(at, len(self._blocks) - 1)]
        block.add(entry)
        if len(block.dues) > 2 * _SIZE:
            self._blocks.insert(at + 1, block.split())

    def take(self, now: float) -> list[Entry[Record]]:
        """Remove and return the due entries."""
        taken: list[Entry[Record]] = []
        while self._blocks and self._blocks[0].dues[0] <= now:
            block = self._blocks[0]
            gone = block.drop(bisect_right(block.dues, now))
            self._count -= len(gone)
            if not block.dues:
                del self._blocks[0]
            taken += gone
        return taken

    def remove_of(self, record: Record) -> list[Entry[Record]]:
        """Remove the entries of an ingestion and return them; looks where they are by their due times."""
        taken: list[Entry[Record]] = []
        for due in {*record.details.dues.values()}:
            at = bisect_left(self._blocks, due, key=lambda block: block.dues[-1])
            while at < len(self._blocks) and self._blocks[at].dues[0] <= due:
                taken += self._blocks[at].take(due, record)
                if self._blocks[at].dues:
                    at += 1
                else:
                    del self._blocks[at]
        self._count -= len(taken)
        return taken

    def remove(self, owners: Collection[Record]) -> list[Entry[Record]]:
        """Remove the entries of some ingestions and return them; looks at all entries."""
        taken = [entry for entry in self.entries() if entry.owner in owners]
        if taken:
            kept = [entry for entry in self.entries() if entry.owner not in owners]
            self._count = len(kept)
            parts = (kept[at : at + _SIZE] for at in range(0, len(kept), _SIZE))
            self._blocks = [Block([entry.due for entry in part], part) for part in parts]
        return taken

    def next_due(self) -> float | None:
        """Returns when the first entry is due, None if there is none."""
        return self._blocks[0].dues[0] if self._blocks else None

    def count(self, before: Place | None) -> int:
        """Returns how many there are; with `before`, only those of ingestions ahead of that place."""
        return sum(self._counts(before)) if before and self._count else self._count

    def fallen(self, ready: int, before: Place | None, start: Callable[[int], float], steady: Steady) -> int:
        """Returns how many fall due by the start after `ready` batches and them; `before` as in `count`.

        `start` returns when a start is by its number, and `steady` says how soon it can be.
        """
        end, (interval, since) = before or (math.inf, 0), steady
        counts, latest = self._counts(end), [block.dues[-1] for block in self._blocks]
        found = at = 0
        while at < len(counts):
            block, count, nth = self._blocks[at], counts[at], ready + found
            whole = bisect_right(latest, start(nth), at)
            if whole == at and count == len(block.dues) and block.first_start(interval) <= since + nth * interval:
                whole += 1
            if whole > at:
                found += sum(counts[at:whole])
                at = whole
                continue
            some = block.fallen(nth, end, start)
            found += some
            if some < count:
                break
            at += 1
        return found

    def _counts(self, before: Place) -> list[int]:
        """Returns how many entries of each block are ahead of a place, which mostly are all or none."""
        in_order = [block.places or block.sort() for block in self._blocks]
        return [
            len(one) if one[-1] < before else bisect_left(one, before) if one[0] < before else 0 for one in in_order
        ]

    def soonest(self, limit: int) -> list[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due time and its ingestion's place."""
        return [(due, (rank, order)) for rank, order, _, due, _ in islice(self.entries(), limit)]

    def entries(self) -> Iterator[Entry[Record]]:
        """Yields all of them, as they fall due."""
        return chain.from_iterable([block.entries for block in self._blocks])

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the earliest and latest due times of those with places from `first` up to `end`."""

        def due(blocks: Iterable[Block], in_order: Callable[[list[Entry[Record]]], Iterable[Entry[Record]]]) -> float:
            for block in blocks:
                if block.holds(first, end):
                    return next(entry.due for entry in in_order(block.entries) if first <= entry.place < end)
            return math.nan

        return due(self._blocks, iter), due(reversed(self._blocks), reversed)
