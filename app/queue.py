"""The ready queue: which batch goes next."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator
from queue import PriorityQueue
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Entry(NamedTuple, Generic[T]):
    """A batch in line, one of `owner`. The first three members are its place, which no two entries share."""

    rank: float
    order: int
    position: int
    due: float
    owner: T

    @property
    def place(self) -> tuple[float, int]:
        """The place of its owner's batches in line."""
        return self.rank, self.order


class ReadyQueue(Generic[T]):
    """The due batches by rank, then creation order, then position.

    An ingestion has one entry for all its batches that were never dispatched, that of the next one, so a million ids
    take one put. Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self) -> None:
        self._ready: PriorityQueue[Entry[T]] = PriorityQueue()
        self._gone = 0

    def put(self, entry: Entry[T]) -> None:
        """Add an entry."""
        self._ready.put_nowait(entry)

    def first(self) -> Entry[T] | None:
        """Returns the most urgent entry without removing it."""
        heap = self._ready.queue
        return heap[0] if heap else None

    def pop(self, following: Entry[T] | None = None) -> None:
        """Remove the entry that `first` returned, and add `following`."""
        heap = self._ready.queue
        if following is None:
            heapq.heappop(heap)
        elif len(heap) > 2 and following < heap[1] and following < heap[2]:
            # Nearly always so, because it belongs to the same ingestion. This makes a claim among a million others 8 %
            # cheaper.
            heap[0] = following
        else:
            heapq.heapreplace(heap, following)

    def remove(self, owners: Collection[T]) -> list[Entry[T]]:
        """Remove the entries of some owners and return them; looks at all entries."""
        heap = self._ready.queue
        gone = [at for at, entry in enumerate(heap) if entry.owner in owners]
        taken = [heap[at] for at in gone]
        for at in reversed(gone):
            heap[at] = heap[-1]
            heap.pop()
        if taken:
            heapq.heapify(heap)
        return taken

    def note_gone(self, is_gone: Callable[[T], bool]) -> None:
        """Mark an owner's entries as void; drops void entries once they may be half of all, in amortized O(1).

        Otherwise, void entries behind an endless stream of more urgent ones would stay forever.
        """
        self._gone += 1
        if self._gone > 32 and self._gone * 2 > self._ready.qsize():
            self._gone = 0
            self._ready.queue[:] = [entry for entry in self._ready.queue if not is_gone(entry.owner)]
            heapq.heapify(self._ready.queue)

    def in_order(self) -> Iterator[Entry[T]]:
        """Yields every entry, most urgent first; the first k take O(k log k)."""
        heap = self._ready.queue
        frontier = [(heap[0], 0)] if heap else []
        while frontier:
            entry, at = heapq.heappop(frontier)
            yield entry
            for child in (2 * at + 1, 2 * at + 2):
                if child < len(heap):
                    heapq.heappush(frontier, (heap[child], child))
