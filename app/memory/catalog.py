"""Ingestions by age, in blocks that know which kinds they hold, so that a filtered listing skips the other blocks."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from ..core import FAILED, Filter, Kind, Status
from .record import Record

_SIZE = 256
"""Consecutive orders in a block."""

_kind = functools.lru_cache(4096)(Kind)
"""Equal kinds are one object, because each of very many records refers to its own."""


class Block:
    """The records of consecutive orders; a forgotten one leaves a gap."""

    __slots__ = ("_earliest", "_first", "_kinds", "_latest", "_records")

    def __init__(self, first: int) -> None:
        self._first = first
        self._earliest = self._latest = 0.0
        self._records: list[Record | None] = []
        self._kinds: dict[Kind, int] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(self, record: Record) -> None:
        self._earliest = self._earliest if self._records else record.created_at
        self._latest = record.created_at
        self._records.extend([None] * (record.order - self._first - len(self._records)))
        self._records.append(record)
        self._note(record.kind)

    def remove(self, record: Record) -> None:
        self._records[record.order - self._first] = None
        self._drop(record.kind)

    def refile(self, record: Record, kind: Kind) -> None:
        self._drop(record.kind)
        record.kind = kind
        self._note(kind)

    def find(self, where: Filter, before: int | None) -> Iterator[Record]:
        """Yields the records below the order `before`, as the first one is, that a filter takes; the newest first."""
        of_time = self._of_time(where)
        if of_time is False or not any(map(where.takes, self._kinds)):
            return
        for record in reversed(self._records if before is None else self._records[: before - self._first]):
            if record is None or not where.takes(record.kind):
                continue
            if of_time or where.takes_time(record.created_at):
                yield record

    def count(self, where: Filter) -> Iterator[tuple[Status, int]]:
        """Yields statuses, each with how many of the records that a filter takes are in it."""
        of_time = self._of_time(where)
        if of_time:
            yield from ((kind.status, count) for kind, count in self._kinds.items() if where.takes(kind))
        elif of_time is None:
            yield from ((record.status, 1) for record in self.find(where, None))

    def _of_time(self, where: Filter) -> bool | None:
        """Returns whether a filter takes the times of all records, or of none; None where it takes those of some."""
        if where.takes_time(self._earliest) and where.takes_time(self._latest):
            return True
        before = where.since is not None and self._latest < where.since
        after = where.until is not None and self._earliest > where.until
        return False if before or after else None

    def _note(self, kind: Kind) -> None:
        self._kinds[kind] = self._kinds.get(kind, 0) + 1

    def _drop(self, kind: Kind) -> None:
        left = self._kinds.pop(kind) - 1
        if left:
            self._kinds[kind] = left


class Catalog:
    """The records of one store. Not thread-safe by itself: its store calls it under the store's lock."""

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}

    def add(self, record: Record) -> None:
        """Add one of which nothing has started."""
        number = record.order // _SIZE
        if number not in self._blocks:
            self._blocks[number] = Block(number * _SIZE)
        record.kind = _kind(Status.YET_TO_START, record.priority, record.owner, False)
        self._blocks[number].add(record)

    def refile(self, record: Record, status: Status | None = None) -> None:
        """Note that what a filter can tell apart of a record may have changed; `status` is its own, if known."""
        kind = _kind(status or record.status, record.priority, record.owner, record.tally[FAILED] > 0)
        if kind is not record.kind:
            self._blocks[record.order // _SIZE].refile(record, kind)

    def remove(self, record: Record) -> None:
        number = record.order // _SIZE
        self._blocks[number].remove(record)
        if not self._blocks[number]:
            del self._blocks[number]

    def blocks(self, before: int | None) -> list[Block]:
        """Returns the blocks that may hold orders below `before` (None: all), newest first."""
        found = list(self._blocks.items())
        return [block for number, block in reversed(found) if before is None or number * _SIZE < before]
