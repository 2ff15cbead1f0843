"""How many batches wait ahead of a place in the queue, in O(log n)."""

from __future__ import annotations

import bisect

from ..core import Place, Priority
from .record import Record


def place(record: Record) -> Place:
    """Returns an ingestion's place in line: rank, then creation order."""
    return record.rank, record.order


class Lane:
    """The unfinished ingestions of one priority with how many batches of each wait, in order of their places.

    A Fenwick tree (P. M. Fenwick, 1994, "A New Data Structure for Cumulative Frequency Tables") over the waiting
    counts. Places only ever grow, so a new ingestion is appended; what is gone is left in place as 0 and dropped when
    it makes up half.
    """

    def __init__(self) -> None:
        self._records: list[Record | None] = []
        self._places: list[Place] = []
        self._sums: list[int] = [0]
        self._gone = 0
        self.total = 0

    def add(self, record: Record) -> None:
        where = place(record)
        if self._places and where < self._places[-1]:
            self._rebuild(record)
            return
        record.lane_index = len(self._records)
        self._records.append(record)
        self._places.append(where)
        node = len(self._records)
        self._sums.append(record.waiting + self._before(node - 1) - self._before(node - (node & -node)))
        self.total += record.waiting

    def change(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches."""
        self.total += by
        node = record.lane_index + 1
        while node < len(self._sums):
            self._sums[node] += by
            node += node & -node

    def remove(self, record: Record) -> None:
        """Forget an ingestion that has no waiting batches."""
        self._records[record.lane_index] = None
        record.lane_index = -1
        self._gone += 1
        if self._gone > 32 and self._gone * 2 > len(self._records):
            self._rebuild()

    def ahead(self, where: Place) -> int:
        """Returns how many batches wait before this place."""
        if not self._places or self._places[-1] < where:
            return self.total  # That of a new ingestion mostly is the last.
        return self._before(bisect.bisect_left(self._places, where))

    def oldest(self) -> Record | None:
        """Returns the first ingestion that has waiting batches."""
        # Descend the tree to the first slot whose running sum is above 0.
        if not self.total:
            return None
        node, step = 0, 1 << (len(self._records).bit_length() - 1)
        while step:
            if node + step < len(self._sums) and not self._sums[node + step]:
                node += step
            step >>= 1
        return self._records[node]

    def _before(self, node: int) -> int:
        total = 0
        while node:
            total += self._sums[node]
            node &= node - 1
        return total

    def _rebuild(self, *extra: Record) -> None:
        records = sorted([record for record in self._records if record] + list(extra), key=place)
        self.__init__()  # type: ignore[misc]
        for record in records:
            self.add(record)


class Backlog:
    """Every unfinished ingestion, a lane for each priority. Called under the store's lock."""

    def __init__(self) -> None:
        self.lanes = {priority: Lane() for priority in Priority}

    @property
    def total(self) -> int:
        """Returns how many batches wait."""
        high, medium, low = self.lanes.values()
        return high.total + medium.total + low.total

    def add(self, record: Record) -> None:
        self.lanes[record.priority].add(record)

    def change(self, record: Record, by: int) -> None:
        self.lanes[record.priority].change(record, by)

    def remove(self, record: Record) -> None:
        self.lanes[record.priority].remove(record)

    def ahead(self, where: Place) -> int:
        """Returns how many batches wait before this place, of all priorities."""
        high, medium, low = self.lanes.values()
        return high.ahead(where) + medium.ahead(where) + low.ahead(where)
