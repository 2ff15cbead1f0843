"""How many batches wait ahead of a place in the queue, in O(log n)."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from ..core import Place, Priority
from .record import Record

_LATE = -2
"""The index of a record that is kept outside the tree."""


class Counted(Protocol):
    """The unfinished ingestions of one priority: how many batches are in line, and how many are parked."""

    total: int
    parked: int

    def add(self, record: Record) -> None: ...

    def change(self, record: Record, by: int) -> None: ...

    def remove(self, record: Record) -> None: ...

    def ahead(self, place: Place) -> int: ...

    def oldest(self) -> Record | None: ...

    def unfinished(self) -> list[Record]: ...


L = TypeVar("L", bound=Counted)


class Lane:
    """The unfinished ingestions of one priority, in order of their places, with how many batches of each are in line.

    `total` counts these, and `parked` those that wait outside of the line. A Fenwick tree (P. M. Fenwick, 1994, "A New
    Data Structure for Cumulative Frequency Tables") over the counts, which sums from the end: so a start, which is
    nearly always of one of the first ingestions, changes few nodes. Places only ever grow, so a new ingestion is
    appended; a removed one stays as 0 until half of the tree is removed ones. Only a redrive or a move adds an older
    ingestion; these few are kept outside the tree.
    """

    def __init__(self) -> None:
        self.total = self.parked = 0
        self._late: list[tuple[Place, Record]] = []
        self._fill([])

    def add(self, record: Record) -> None:
        place = record.place
        if self._places and place < self._places[-1]:
            record.lane_index = _LATE
            bisect.insort(self._late, (place, record))
        else:
            record.lane_index = len(self._records)
            self._records.append(record)
            self._places.append(place)
            self._sums.append(0)
        self.change(record, record.waiting)
        if len(self._late) > 64 and len(self._late) ** 2 > len(self._records):
            self._rebuild()

    def change(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches."""
        if record.parked:
            self.parked += by
            return
        self.total += by
        if record.lane_index == _LATE:
            return
        node = record.lane_index + 1
        while node:
            self._sums[node] += by
            node &= node - 1

    def remove(self, record: Record) -> None:
        """Forget an ingestion that has no waiting batches."""
        if record.lane_index == _LATE:
            del self._late[bisect.bisect_left(self._late, (record.place,))]
        else:
            self._records[record.lane_index] = None
            self._gone += 1
        if self._gone > 32 and self._gone * 2 > len(self._records):
            self._rebuild()

    @property
    def is_empty(self) -> bool:
        """Whether it has no ingestion."""
        return len(self._records) == self._gone and not self._late

    def ahead(self, place: Place) -> int:
        """Returns how many batches are in line before this place."""
        if not self._places or self._places[-1] < place:
            return self.total  # Mostly the place of a new ingestion, which is last.
        behind = sum(record.lined for at, record in self._late if at >= place)
        node = bisect.bisect_left(self._places, place) + 1
        while node < len(self._sums):
            behind += self._sums[node]
            node += node & -node
        return self.total - behind

    def oldest(self) -> Record | None:
        """Returns the first ingestion that has batches in line."""
        late = next((record for _, record in self._late if record.lined), None)
        if self.total == sum(record.lined for _, record in self._late):
            return late
        # Descend the tree: a node sums its own ingestion's count, then those of the nodes 1, 2, 4 and so on after it.
        node, first = 0, None
        while not (first and first.lined):
            step = 1
            while not self._sums[node + step]:
                step <<= 1
            node += step
            first = self._records[node - 1]
        return late if late and late.place < first.place else first

    def unfinished(self) -> list[Record]:
        """Returns all of them."""
        return [record for record in self._records if record] + [record for _, record in self._late]

    def _rebuild(self) -> None:
        kept = [(place, record) for place, record in zip(self._places, self._records, strict=True) if record]
        self._fill(sorted(kept + self._late))  # of two that are in order, which takes little more than a copy
        self._late = []

    def _fill(self, records: list[tuple[Place, Record]]) -> None:
        self._records: list[Record | None] = [record for _, record in records]
        self._places = [place for place, _ in records]
        self._sums = [0, *(record.lined for _, record in records)]
        self._gone = 0
        for index, (_, record) in enumerate(records):
            record.lane_index = index
        for node in range(len(records), 0, -1):
            if above := node & (node - 1):
                self._sums[above] += self._sums[node]


class Backlog(Generic[L]):
    """Every unfinished ingestion, a lane for each priority. Called under the store's lock."""

    def __init__(self, lane: Callable[[], L]) -> None:
        self.lanes = {priority: lane() for priority in Priority}

    @property
    def total(self) -> int:
        """Returns how many batches are in line."""
        high, medium, low = self.lanes.values()
        return high.total + medium.total + low.total

    @property
    def parked(self) -> int:
        """Returns how many batches wait outside of the line."""
        high, medium, low = self.lanes.values()
        return high.parked + medium.parked + low.parked

    def add(self, record: Record) -> None:
        self.lanes[record.priority].add(record)

    def change(self, record: Record, by: int) -> None:
        self.lanes[record.priority].change(record, by)

    def remove(self, record: Record) -> None:
        self.lanes[record.priority].remove(record)

    def move(self, record: Record, priority: Priority, rank: float) -> None:
        """Have an ingestion wait at another priority."""
        self.change(record, -record.waiting)
        self.remove(record)
        record.priority, record.rank = priority, rank
        self.add(record)

    def park(self, record: Record, *, parked: bool) -> None:
        """Take an ingestion out of the line, or back into it."""
        self.change(record, -record.waiting)
        record.parked = parked
        self.change(record, record.waiting)

    def ahead(self, place: Place) -> int:
        """Returns how many batches are in line before this place, of all priorities."""
        high, medium, low = self.lanes.values()
        return high.ahead(place) + medium.ahead(place) + low.ahead(place)
