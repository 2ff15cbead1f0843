"""How many batches wait ahead of a place in the queue."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

from ..core import Place, Priority
from .record import Record

_MOST = 64
"""Ingestions in a block at most; a sum takes about as long within one as over the blocks of 100,000."""

_place = attrgetter("place")


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


class Block:
    """Some ingestions in the order of their places, and how many of their batches are in line."""

    __slots__ = ("records", "total")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.total = 0

    @property
    def place(self) -> Place:
        """The place of the first."""
        return self.records[0].place

    def add(self, record: Record, *, last: bool) -> None:
        if last:
            self.records.append(record)
        else:
            insort(self.records, record, key=_place)
        record.block = self

    def split(self) -> Block:
        """Keep the first half and return the second."""
        later, half = Block(), len(self.records) // 2
        later.records = self.records[half:]
        del self.records[half:]
        for record in later.records:
            record.block = later
            later.total += record.lined
        self.total -= later.total
        return later

    def before(self, place: Place) -> int:
        """Returns how many of the batches are in line before a place."""
        return sum([record.lined for record in self.records[: bisect_left(self.records, place, key=_place)]])


class Lane:
    """The unfinished ingestions of one priority, in blocks of consecutive places.

    `total` counts their batches that are in line, and `parked` those that wait outside of it. A start changes one
    number, an ingestion that comes or goes one block, and what is ahead of a place is a sum over blocks.
    """

    def __init__(self) -> None:
        self.total = self.parked = 0
        self._blocks: list[Block] = []

    def add(self, record: Record) -> None:
        last = self._ends_before(record.place)  # as it does before nearly every new ingestion
        if last:
            if not self._blocks or len(self._blocks[-1].records) == _MOST:
                self._blocks.append(Block())
            at = len(self._blocks) - 1
        else:
            at = max(0, bisect_right(self._blocks, record.place, key=_place) - 1)
        block = self._blocks[at]
        block.add(record, last=last)
        if len(block.records) > _MOST:
            self._blocks.insert(at + 1, block.split())
        self.change(record, record.waiting)

    def change(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches."""
        if record.parked:
            self.parked += by
            return
        self.total += by
        record.block.total += by

    def remove(self, record: Record) -> None:
        """Forget an ingestion that has no waiting batches."""
        block = record.block
        block.records.remove(record)
        if not block.records:
            self._blocks.remove(block)

    @property
    def is_empty(self) -> bool:
        """Whether it has no ingestion."""
        return not self._blocks

    def ahead(self, place: Place) -> int:
        """Returns how many batches are in line before this place."""
        if self._ends_before(place):
            return self.total
        at = bisect_left(self._blocks, place, key=_place)
        if not at:
            return 0
        before = self._blocks[at - 1].before(place)
        if 2 * at < len(self._blocks):
            return sum([block.total for block in self._blocks[: at - 1]]) + before
        return self.total - sum([block.total for block in self._blocks[at - 1 :]]) + before

    def oldest(self) -> Record | None:
        """Returns the first ingestion that has batches in line."""
        for block in self._blocks:
            for record in block.records if block.total else ():
                if record.lined:
                    return record
        return None

    def unfinished(self) -> list[Record]:
        """Returns all of them."""
        return [record for block in self._blocks for record in block.records]

    def _ends_before(self, place: Place) -> bool:
        return not self._blocks or self._blocks[-1].records[-1].place < place


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

    def up_to(self, priority: Priority) -> int:
        """Returns how many batches are in line at a priority and the more urgent ones."""
        return sum([lane.total for other, lane in self.lanes.items() if other <= priority])

    def ahead(self, place: Place) -> int:
        """Returns how many batches are in line before this place, of all priorities."""
        return sum([lane.ahead(place) for lane in self.lanes.values() if lane.total])
