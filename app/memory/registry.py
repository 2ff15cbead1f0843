"""Which ingestions are known: by id, by idempotency key, by age."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from ..core import FAILED
from ..errors import KeyReused, UnknownIngestion
from .record import Record


class Registry:
    """The records of one store, in creation order, until they are forgotten `retention` seconds after their end.

    `failed` counts their failed batches. Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self, retention: float) -> None:
        self._retention = retention
        self.failed = 0
        self._by_id: dict[str, Record] = {}
        self._by_key: dict[tuple[str | None, str], tuple[str, Record]] = {}
        self._ended: deque[tuple[float, Record]] = deque()

    def add(self, record: Record) -> None:
        self._by_id[record.id] = record

    def get(self, ingestion_id: str, now: float) -> Record:
        """Returns the record with this id. Raises UnknownIngestion."""
        self.forget(now)
        record = self._by_id.get(ingestion_id)
        if record is None:
            raise UnknownIngestion(ingestion_id)
        return record

    def remember_key(self, owner: str | None, key: str, fingerprint: str, record: Record) -> None:
        record.key = (owner, key)
        self._by_key[owner, key] = fingerprint, record

    def with_key(self, owner: str | None, key: str, fingerprint: str) -> Record | None:
        """Returns what was accepted under this key before. Raises KeyReused if that was a different request."""
        known = self._by_key.get((owner, key))
        if known is None:
            return None
        if known[0] != fingerprint:
            raise KeyReused(f"The idempotency key {key!r} was used with another request.")
        return known[1]

    def before(self, order: int | None) -> list[Record]:
        """Returns the records created before `order` (None: all), oldest first."""
        records = list(self._by_id.values())
        return records if order is None else records[: bisect_left(records, order, key=lambda record: record.order)]

    def end(self, record: Record, now: float) -> None:
        """Record that the ingestion ended."""
        record.finished_at = now
        self._ended.append((now, record))

    def forget(self, now: float) -> int:
        """Forget ingestions that ended long enough ago; returns how many."""
        forgotten = 0
        while self._ended and self._ended[0][0] + self._retention <= now:
            ended_at, record = self._ended.popleft()
            # A redrive since then gave it a later end, or none yet.
            if record.finished_at == ended_at and record.id in self._by_id:
                del self._by_id[record.id]
                self.failed -= record.tally[FAILED]
                if record.key is not None:
                    self._by_key.pop(record.key, None)
                forgotten += 1
        return forgotten
