"""What the store in this process says when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice

from ..core import (
    ALL_FAILURES,
    ANY,
    Attempt,
    Audit,
    Batch,
    BatchError,
    Batches,
    CallerDepth,
    Clock,
    Dispatch,
    Estimate,
    Failure,
    FailureFilter,
    Filter,
    Id,
    Ingestion,
    Minute,
    Priority,
    Quote,
    Run,
    Stats,
    Status,
    WorkerReport,
    batch_id,
)
from ..reading import Reading
from . import listing
from .failures import CHUNK, failures
from .forecast import caller_depths, estimate, quotes, stats, upcoming
from .record import Record
from .state import MemoryState


class MemoryReading(Reading):
    """Each call holds the lock; one that yields or lists much, a part of it at a time."""

    def __init__(self, lock: threading.Lock, state: MemoryState, clock: Clock) -> None:
        self._lock = lock
        self._state = state
        self._clock = clock

    def get(self, ingestion_id: str) -> Ingestion:
        with self._lock:
            return self._state.record(ingestion_id).snapshot()

    def batches(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Batches]:
        with self._lock:
            record = self._state.record(ingestion_id)
            return record.snapshot(), record.page(offset, limit, only)

    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None, *, only: Status | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        with self._lock:
            record = self._state.record(ingestion_id)
            batches = record.page(offset, limit, only)
            return record.snapshot(), estimate(self._state, record, self._clock.now()), batches

    def results(self, ingestion_id: str, *, failed: bool = False) -> Iterator[tuple[Id, str | BatchError]]:
        with self._lock:
            record = self._state.record(ingestion_id)
        return self._results(record, (str, BatchError) if failed else str)

    def _results(
        self, record: Record, wanted: type[str] | tuple[type[str], type[BatchError]]
    ) -> Iterator[tuple[Id, str | BatchError]]:
        size = record.batch_size
        for first in range(0, len(record.states), CHUNK):
            with self._lock:
                done = list(record.answered_from(first, CHUNK))
            for position, answers in done:
                ids: Sequence[Id] = record.ids[position * size : (position + 1) * size]
                yield from (
                    (one, answer) for one, answer in zip(ids, answers, strict=False) if isinstance(answer, wanted)
                )

    def attempts(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, float | None, list[Attempt]]:
        with self._lock:
            record = self._state.record(ingestion_id)
            log = record.details.log
            wanted = range(offset, len(record.states))[:limit]
            some = [one for position in wanted if position in log for one in log[position]] if log else []
            return record.snapshot(), record.estimated_completion, some

    def ingestions(self, where: Filter = ANY, *, before: int | None = None, limit: int = 50) -> list[Ingestion]:
        self._forget()
        return listing.ingestions(self._lock, self._state.registry.catalog, where, before, limit)

    def count(self, where: Filter = ANY, *, most: int) -> dict[Status, int]:
        self._forget()
        return listing.count(self._lock, self._state.registry.catalog, where, most)

    def failures(self, where: FailureFilter = ALL_FAILURES, *, ids: bool = False) -> Iterator[Failure]:
        self._forget()
        return failures(self._lock, self._state.registry.catalog, where, ids=ids)

    def find(self, prefix: str, *, owner: str | None = None, limit: int = 2) -> list[Ingestion]:
        self._forget()
        with self._lock:
            known = self._state.registry.records()
        found = (one for one in known if one.id.startswith(prefix) and owner in (None, one.owner))
        some = list(islice(found, limit))
        with self._lock:
            return [record.snapshot() for record in some]

    def quote(self, count: int, owner: str | None = None) -> dict[Priority, Quote]:
        with self._lock:
            return quotes(self._state, count, owner, self._clock.now())

    def audits(self, limit: int, before: int | None = None) -> list[Audit]:
        return self._state.audits.latest(limit, before)

    def stats(self) -> Stats:
        with self._lock:
            return stats(self._state, self._clock.now())

    def upcoming(self, limit: int, *, owner: str | None = None) -> list[tuple[Batch, float | None]]:
        with self._lock:
            return upcoming(self._state, limit, owner, self._clock.now())

    def callers(self, limit: int, *, owner: str | None = None) -> list[CallerDepth]:
        with self._lock:
            return caller_depths(self._state, limit, owner)

    def workers(self) -> list[WorkerReport]:
        with self._lock:
            return self._state.present(self._clock.now())

    def runs(self, limit: int) -> list[Run]:
        with self._lock:
            state = self._state
            worker = next(reversed(state.workers), None)
            running = sorted((one.claim for one in state.leases), key=lambda claim: claim.claimed_at)
            return [
                Run(worker, batch.id, batch.ingestion_id, batch.attempt, claimed_at)
                for batch, _, claimed_at, *_ in running[:limit]
            ]

    def dispatches(self, limit: int) -> list[Dispatch]:
        with self._lock:
            log = list(self._state.dispatches)[-limit:]
        return [Dispatch(at, due, batch_id(of, position), of, position, *more) for at, due, of, position, *more in log]

    def minutes(self) -> dict[int, Minute]:
        with self._lock:
            return self._state.minutes.last_hour(self._clock.now())

    def _forget(self) -> None:
        """Forget all that is old, before it could be listed."""
        for _ in self._forgetting():
            pass

    def _forgetting(self) -> Iterator[int]:
        """Forget what is old; yields how many ingestions after each hold of the lock."""
        now, more = self._clock.now(), True
        while more:
            with self._lock:
                count, more = self._state.registry.forget(now)
            yield count
