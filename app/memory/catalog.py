"""Ingestions by age, owner and what else a filter can tell apart of them, so that a listing looks at nothing else."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator

from ..core import FAILED, Filter, Kind, Priority, Status
from .record import Record

_SIZE = 256
"""Consecutive orders in a block."""

_kind = functools.cache(Kind)
"""Equal kinds are one object, because each of very many records refers to its own."""

_NEW = {priority: _kind(Status.YET_TO_START, priority, False) for priority in Priority}
"""The kinds of records of which nothing has started."""


class Block:
    """The records of consecutive orders, and of each kind and owner a bit for each; a forgotten one leaves a gap."""

    __slots__ = ("_earliest", "_first", "_kinds", "_latest", "_owners", "_records")

    def __init__(self, first: int) -> None:
        self._first = first
        self._earliest = self._latest = 0.0
        self._records: list[Record | None] = []
        self._kinds: dict[Kind, int] = {}
        self._owners: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, record: Record) -> None:
        self._earliest = self._earliest if self._records else record.created_at
        self._latest = record.created_at
        self._records.extend([None] * (record.order - self._first - len(self._records)))
        self._records.append(record)
        if record.owner is not None:
            self._owners[record.owner] = self._owners.get(record.owner, 0) | 1 << record.order - self._first

    def remove(self, record: Record) -> bool:
        """Remove a record; returns whether it was the last of its owner, if it has one."""
        self._records[record.order - self._first] = None
        if record.owner is None:
            return False
        left = self._owners.pop(record.owner) ^ 1 << record.order - self._first
        if left:
            self._owners[record.owner] = left
        return not left

    def note(self, record: Record) -> bool:
        """Note the kind of a record; returns whether it is the first of this kind."""
        before = self._kinds.get(record.kind, 0)
        self._kinds[record.kind] = before | 1 << record.order - self._first
        return not before

    def drop(self, record: Record) -> bool:
        """Forget the kind of a record; returns whether it was the last of this kind."""
        left = self._kinds.pop(record.kind) ^ 1 << record.order - self._first
        if left:
            self._kinds[record.kind] = left
        return not left

    def find(self, where: Filter, before: int | None) -> Iterator[Record]:
        """Yields the records that a filter takes, the newest first.

        With `before`, which is above the first order of the block, only those of orders below it.
        """
        of_time = self._of_time(where)
        if of_time is False:
            return
        bits = 0
        for _, some in self._taken(where):
            bits |= some
        if before is not None:
            bits &= (1 << before - self._first) - 1
        while bits:
            newest = bits.bit_length() - 1
            bits ^= 1 << newest
            record = self._records[newest]
            if record is not None and (of_time or where.takes_time(record.created_at)):
                yield record

    def count(self, where: Filter) -> Iterator[tuple[Status, int]]:
        """Yields statuses, each with how many of the records that a filter takes are in it."""
        of_time = self._of_time(where)
        if of_time:
            yield from ((kind.status, some.bit_count()) for kind, some in self._taken(where))
        elif of_time is None:
            yield from ((record.status, 1) for record in self.find(where, None))

    def _taken(self, where: Filter) -> Iterator[tuple[Kind, int]]:
        """Yields the kinds that a filter takes, each with a bit for each record that it takes of any time."""
        owned = -1 if where.owner is None else self._owners.get(where.owner, 0)
        yield from ((kind, some & owned) for kind, some in self._kinds.items() if where.takes(kind))

    def _of_time(self, where: Filter) -> bool | None:
        """Returns whether a filter takes the times of all records, or of none; None where it takes those of some."""
        if where.takes_time(self._earliest) and where.takes_time(self._latest):
            return True
        before = where.since is not None and self._latest < where.since
        after = where.until is not None and self._earliest > where.until
        return False if before or after else None


class Catalog:
    """The records of one store. Not thread-safe by itself: its store calls it under the store's lock."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}
        self._counts: dict[Kind, int] = {}
        self._holding: dict[Kind, set[int]] = {}
        self._owned: dict[str, set[int]] = {}

    def add(self, record: Record) -> None:
        """Add one of which nothing has started."""
        number = record.order // _SIZE
        if number not in self._blocks:
            self._blocks[number] = Block(number * _SIZE)
        record.kind = _NEW[record.priority]
        self._blocks[number].add(record)
        if record.owner is not None:
            self._owned.setdefault(record.owner, set()).add(number)
        self._note(record)

    def refile(self, record: Record, status: Status | None = None) -> None:
        """Note that what a filter can tell apart of a record may have changed; `status` is its own, if known."""
        kind = _kind(status or record.status, record.priority, record.tally[FAILED] > 0)
        if kind is not record.kind:
            self._drop(record)
            record.kind = kind
            self._note(record)

    def remove(self, record: Record) -> None:
        self._drop(record)
        number = record.order // _SIZE
        if self._blocks[number].remove(record) and record.owner is not None:
            self._owned[record.owner].discard(number)
            if not self._owned[record.owner]:
                del self._owned[record.owner]
        if not self._blocks[number]:
            del self._blocks[number]

    def blocks(self, where: Filter, before: int | None = None) -> list[Block]:
        """Returns the blocks with orders below `before` (None: all) that hold what a filter takes, newest first."""
        held = [numbers for kind, numbers in self._holding.items() if where.takes(kind)]
        found: Iterable[int]
        if where.owner is not None:
            found = (one for one in self._owned.get(where.owner, ()) if any(one in numbers for numbers in held))
        else:
            found = self._blocks if len(held) == len(self._holding) else set().union(*held)
        numbers = sorted(found, reverse=True)
        if before is not None:
            numbers = [one for one in numbers if one * _SIZE < before]
        return list(map(self._blocks.__getitem__, numbers))

    def count(self, where: Filter) -> Iterator[tuple[Status, int]]:
        """Yields statuses, each with how many of the records of a kind that a filter takes are in it, of all owners."""
        yield from ((kind.status, count) for kind, count in self._counts.items() if where.takes(kind))

    def _note(self, record: Record) -> None:
        number = record.order // _SIZE
        self._counts[record.kind] = self._counts.get(record.kind, 0) + 1
        if self._blocks[number].note(record):
            self._holding.setdefault(record.kind, set()).add(number)

    def _drop(self, record: Record) -> None:
        number = record.order // _SIZE
        self._counts[record.kind] -= 1
        if self._blocks[number].drop(record):
            self._holding[record.kind].discard(number)
        if not self._counts[record.kind]:
            del self._counts[record.kind], self._holding[record.kind]
