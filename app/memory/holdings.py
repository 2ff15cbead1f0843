"""How many ids each caller has waiting, for its quota."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import chain

from ..core import WAITING, Place, Priority
from .record import Record


class Holdings:
    """The ingestions of each owner that have waiting ids. Called under the store's lock."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._lanes: dict[tuple[str, Priority], dict[Record, int]] = {}
        self._late: dict[tuple[str, Priority], set[Record]] = {}
        # The place of the latest that was added to a lane in order.
        self._reached: dict[tuple[str, Priority], Place] = {}

    def ids(self, owner: str) -> int:
        """Returns how many ids of this owner wait."""
        return self._ids.get(owner, 0)

    def recount(self, record: Record) -> None:
        """Update the count of waiting ids after an ingestion changed."""
        owner, ids = record.owner, record.waiting_ids
        if owner is None:
            return
        key = owner, record.priority
        lane = self._lanes.setdefault(key, {})
        self._ids[owner] = self.ids(owner) + ids - lane.get(record, 0)
        if ids:
            if record not in lane:
                if record.place < self._reached.setdefault(key, record.place):
                    self._late.setdefault(key, set()).add(record)
                else:
                    self._reached[key] = record.place
            lane[record] = ids
        else:
            lane.pop(record, None)
            self._left(key, record)
            if not self._ids[owner]:
                del self._ids[owner]

    def move(self, record: Record, before: Priority) -> None:
        """Note that an ingestion left a priority."""
        if record.owner is not None and (lane := self._lanes.get((record.owner, before))) and record in lane:
            self._ids[record.owner] -= lane.pop(record)
            self._left((record.owner, before), record)
            self.recount(record)

    def due(self, owner: str, now: float) -> Iterator[tuple[Record, int, int]]:
        """Yields the owner's ingestions in line, in order, each with how many ids are due and its batches' size."""
        lanes = [self._in_order((owner, priority)) for priority in Priority if (owner, priority) in self._lanes]
        for record, ids in lanes[0] if len(lanes) == 1 else heapq.merge(*lanes, key=_place):
            if not record.parked:
                yield record, ids - min(ids, _ids_aside(record, now)), record.batch_size

    def later(self, owner: str, now: float, limit: int) -> list[tuple[float, Record, int]]:
        """Returns the owner's first batches in line that wait for a retry beyond `now`, by when they fall due.

        Each with its ingestion and how many ids it has, at most.
        """
        lanes = (self._lanes.get((owner, priority), ()) for priority in Priority)
        in_line = (one for one in chain.from_iterable(lanes) if not one.parked and one.tally[WAITING])
        found = ((due, one.order, at, one) for one in in_line for at, due in one.details.dues.items() if due > now)
        return [(due, one, one.size_of(at)) for due, _, at, one in heapq.nsmallest(limit, found)]

    def _left(self, key: tuple[str, Priority], record: Record) -> None:
        """Forget what a lane without a record no longer needs."""
        if late := self._late.get(key):
            late.discard(record)
            if not late:
                del self._late[key]
        if not self._lanes[key]:
            del self._lanes[key]
            self._reached.pop(key, None)

    def _in_order(self, key: tuple[str, Priority]) -> Iterable[tuple[Record, int]]:
        """Returns a lane in the order of the queue; only retries, redrives and moves were added out of order."""
        lane, late = self._lanes[key], self._late.get(key)
        if not late:
            return lane.items()
        punctual = ((record, ids) for record, ids in lane.items() if record not in late)
        return heapq.merge(punctual, sorted(((one, lane[one]) for one in late), key=_place), key=_place)


def _ids_aside(record: Record, now: float) -> int:
    """Returns how many ids of an ingestion wait for a retry that falls due after `now`, at most."""
    if not record.tally[WAITING]:
        return 0
    dues, last = record.details.dues, len(record.states) - 1
    missing = record.batch_size - record.size_of(last) if dues.get(last, now) > now else 0
    return record.batch_size * sum(due > now for due in dues.values()) - missing


def _place(item: tuple[Record, int]) -> Place:
    return item[0].place
