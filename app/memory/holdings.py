"""How many ids each caller has waiting, for its quota."""

from __future__ import annotations

import heapq

from ..core import Priority
from .backlog import place_of
from .record import Record


class Holdings:
    """The ingestions of each owner that have waiting ids. Called under the store's lock."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._lanes: dict[tuple[str, Priority], dict[Record, int]] = {}
        self._unsorted: set[tuple[str, Priority]] = set()

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
            if lane and record not in lane and place_of(record) < place_of(next(reversed(lane))):
                self._unsorted.add(key)
            lane[record] = ids
        else:
            lane.pop(record, None)
            self._drop_if_empty(key)
            if not self._ids[owner]:
                del self._ids[owner]

    def move(self, record: Record, before: Priority) -> None:
        """Note that an ingestion left a priority."""
        if record.owner is not None and (lane := self._lanes.get((record.owner, before))) and record in lane:
            self._ids[record.owner] -= lane.pop(record)
            self._drop_if_empty((record.owner, before))
            self.recount(record)

    def reach(self, owner: str, count: int) -> tuple[Record, int] | None:
        """Returns the ingestion with the owner's id number `count` in line (from 1), and the id's number in it.

        None where fewer are in line.
        """
        lanes = [self._sorted((owner, priority)).items() for priority in Priority if (owner, priority) in self._lanes]
        for record, ids in heapq.merge(*lanes, key=lambda item: place_of(item[0])):
            if record.parked:
                continue
            if count <= ids:
                return record, count
            count -= ids
        return None

    def _drop_if_empty(self, key: tuple[str, Priority]) -> None:
        if not self._lanes[key]:
            del self._lanes[key]
            self._unsorted.discard(key)

    def _sorted(self, key: tuple[str, Priority]) -> dict[Record, int]:
        """Returns a lane in the order of the queue, in which most are added: but for a retry, a redrive and a move."""
        if key in self._unsorted:
            self._unsorted.remove(key)
            self._lanes[key] = dict(sorted(self._lanes[key].items(), key=lambda item: place_of(item[0])))
        return self._lanes[key]
