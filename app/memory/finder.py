"""Where ids are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice

from ..core import Batch, Clock, Finder, Found, Ingestion, Sought
from ..errors import UnknownIngestion
from .forecast import prospect, timeline_of
from .record import Record
from .state import MemoryState


class MemoryFinder(Finder):
    """Ids never change, so they are looked through outside of the lock."""

    def __init__(self, lock: threading.Lock, state: MemoryState, clock: Clock) -> None:
        self._lock = lock
        self._state = state
        self._clock = clock

    def indexed(self, sought: Sought, *, owner: str | None, limit: int) -> tuple[list[Ingestion], int]:
        with self._lock:
            state, now = self._state, self._clock.now()
            if not state.settings.find_ids:
                return [], state.order + 1
            known = (one for one in state.registry.hashes.find(sought) if not state.registry.is_old(one, now))
            own = (one for one in known if owner in (None, one.owner))
            return [record.snapshot() for record in islice(own, limit)], 0

    def holding(self, sought: Sought, ingestions: Sequence[Ingestion], limit: int) -> list[tuple[Ingestion, int]]:
        records: list[tuple[Ingestion, Record]] = []
        with self._lock:
            for one in ingestions:
                with suppress(UnknownIngestion):
                    records.append((one, self._state.record(one.id)))
        return [(one, at) for one, record in records for at in islice(sought.among(record.ids), limit)]

    def at(self, ingestion_id: str, index: int) -> Found:
        with self._lock:
            record = self._state.record(ingestion_id)
            position, nth = divmod(index, record.batch_size)
            batch = record.batches(range(position, position + 1))[0]
            known = [answers[nth] for _, answers in record.answered_from(position, 1)]
            answer = known[0] if known else None
            return Found(record.snapshot(), batch, nth, self._start(record, batch, self._clock.now()), answer)

    def _start(self, record: Record, batch: Batch, now: float) -> float | None:
        """Returns when a batch should start, None if it does not wait or is paused."""
        if not batch.waits or record.parked:
            return None
        timeline, found = timeline_of(self._state, now), prospect(self._state, record)
        fresh = len(record.states) - record.cursor
        if batch.position >= record.cursor:
            before = record.waiting - fresh + batch.position - record.cursor
            return timeline.batch_start(found, before, None)
        before = record.ready_before(batch.position, now)
        return timeline.batch_start(found, before, batch.next_attempt_at or 0.0)
