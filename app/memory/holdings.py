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

    def ids(self, owner: str) -> int:
        """Returns how many ids of this owner wait."""
        return self._ids.get(owner, 0)

    def recount(self, record: Record) -> None:
        """Update the count of waiting ids after an ingestion changed."""
        owner, ids = record.owner, record.waiting_ids
        if owner is None:
            return
        lane = self._lanes.setdefault((owner, record.priority), {})
        self._ids[owner] = self.ids(owner) + ids - lane.get(record, 0)
        if ids:
            lane[record] = ids
        else:
            lane.pop(record, None)
            if not lane:
                del self._lanes[owner, record.priority]
            if not self._ids[owner]:
                del self._ids[owner]

    def move(self, record: Record, before: Priority) -> None:
        """Note that an ingestion left a priority."""
        if record.owner is not None and (lane := self._lanes.get((record.owner, before))) and record in lane:
            self._ids[record.owner] -= lane.pop(record)
            if not lane:
                del self._lanes[record.owner, before]
            self.recount(record)

    def reach(self, owner: str, count: int) -> tuple[Record, int] | None:
        """Returns the ingestion with the owner's id number `count` in line (from 1), and the id's number in it.

        None where fewer are in line. They are counted in the order of the queue, except that a redriven ingestion is
        counted where it was last added, which may be later than its place.
        """
        lanes = [lane.items() for priority in Priority if (lane := self._lanes.get((owner, priority)))]
        for record, ids in heapq.merge(*lanes, key=lambda item: place_of(item[0])):
            if record.parked:
                continue
            if count <= ids:
                return record, count
            count -= ids
        return None
