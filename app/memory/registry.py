"""Which ingestions are known: by id, by idempotency key, and by what they hold."""

from __future__ import annotations

from collections import deque

from ..core import FAILED
from ..errors import KeyReused, UnknownIngestion
from ..store import Submission
from .catalog import Catalog
from .hashes import Hashes
from .record import Record

SOME = 100
"""What is forgotten under one hold of the lock, so that nobody waits for it: ingestions, fewer where they are large."""

_CANCELLED = 1_000_000
"""Batches of cancelled ingestions kept, for neither the rate nor MAX_PENDING bounds what is submitted and cancelled."""


def _weight(record: Record) -> int:
    """Returns for how many it counts when some are forgotten: the more ids it has, the longer freeing them takes."""
    return 1 + len(record.ids) // 1000


class Registry:
    """The records of one store, in creation order, until they are forgotten `retention` seconds after their end.

    Cancelled ones are forgotten sooner, the oldest first, where they have over a million batches together. `catalog`
    lists the records, `hashes` leads from ids to them, `failed` counts their failed batches. Not thread-safe by itself:
    its store calls it under the store's lock.
    """

    def __init__(self, retention: float) -> None:
        self._retention = retention
        self.failed = 0
        self.catalog = Catalog()
        self.hashes = Hashes()
        self._by_id: dict[str, Record] = {}
        self._by_key: dict[tuple[str | None, str], tuple[str, Record]] = {}
        self._ended: deque[tuple[float, Record]] = deque()
        self._cancelled: deque[tuple[float, Record]] = deque()
        self._cancelled_batches = 0

    def add(self, record: Record) -> None:
        self._by_id[record.id] = record
        self.catalog.add(record)

    def get(self, ingestion_id: str, now: float) -> Record:
        """Returns the record with this id. Raises UnknownIngestion."""
        record = self._by_id.get(str(ingestion_id))  # a UUID, too
        if record is None or self.is_old(record, now):
            raise UnknownIngestion(ingestion_id)
        return record

    def records(self) -> list[Record]:
        """Returns all of them."""
        return list(self._by_id.values())

    def remember_key(self, owner: str | None, key: str, fingerprint: str, record: Record) -> None:
        record.key = (owner, key)
        self._by_key[owner, key] = fingerprint, record

    def with_key(self, submission: Submission, now: float) -> Record | None:
        """Returns what was accepted under its key before. Raises KeyReused if that was a different request."""
        owner, key = submission.owner, submission.key
        known = None if key is None else self._by_key.get((owner, key))
        if known is None:
            return None
        fingerprint, record = known
        if self.is_old(record, now):
            return None
        if not submission.repeats(fingerprint):
            raise KeyReused(key)
        return record

    def end(self, record: Record, now: float) -> None:
        """Record that the ingestion ended."""
        record.finished_at = now
        if not record.cancelled:
            self._ended.append((now, record))
            return
        self._cancelled.append((now, record))
        self._cancelled_batches += len(record.states)

    def forget(self, now: float) -> tuple[int, bool]:
        """Forget some ingestions that ended long ago, or were cancelled before too many others.

        Returns how many, and whether there may be more.
        """
        forgotten = looked = 0
        while looked < SOME and self._ended and self._ended[0][0] + self._retention <= now:
            ended_at, record = self._ended.popleft()
            looked += _weight(record)
            # A redrive since then gave it a later end, or none yet.
            if record.finished_at == ended_at and not record.cancelled and record.id in self._by_id:
                self._forget(record)
                forgotten += 1
        while looked < SOME and self._may_forget_cancelled(now):
            _, record = self._cancelled.popleft()
            looked += _weight(record)
            self._cancelled_batches -= len(record.states)
            self._forget(record)
            forgotten += 1
        return forgotten, looked >= SOME

    def _may_forget_cancelled(self, now: float) -> bool:
        """Returns whether the oldest one that was cancelled is old, or has to make room for later ones."""
        if not self._cancelled:
            return False
        is_over = self._cancelled_batches > _CANCELLED and len(self._cancelled) > 1
        return is_over or self._cancelled[0][0] + self._retention <= now

    def is_old(self, record: Record, now: float) -> bool:
        """Returns whether an ingestion ended long enough ago to be forgotten."""
        return record.finished_at is not None and record.finished_at + self._retention <= now

    def _forget(self, record: Record) -> None:
        del self._by_id[record.id]
        self.catalog.remove(record)
        self.hashes.remove(record)
        self.failed -= record.tally[FAILED]
        # Another may have its key by now.
        if record.key is not None and (known := self._by_key.get(record.key)) and known[1] is record:
            del self._by_key[record.key]
