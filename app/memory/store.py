"""The store in this process: fast, exact, and gone with it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from ..config import Settings
from ..core import (
    COMPLETED,
    FAILED,
    LOST,
    WAITING,
    Batch,
    BatchError,
    Batches,
    Clock,
    Dispatch,
    Estimate,
    Ingestion,
    Priority,
    Quote,
    Stats,
    Status,
    batch_id,
    statuses,
)
from ..store import Store, Submission, Wait
from .forecast import depths, estimate
from .record import Record
from .state import MemoryState

_CHUNK = 1000
"""How many batches' results or ingestions are looked at under one hold of the lock."""


class MemoryStore(Store):
    """A state behind one lock. `claim` costs the same however much waits."""

    durable = False
    shares = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._state = MemoryState(settings, clock)

    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        with self._lock:
            record, new = self._state.add(submission)
            return record.snapshot(), new

    def get(self, ingestion_id: str) -> Ingestion:
        with self._lock:
            return self._state.record(ingestion_id).snapshot()

    def batches(self, ingestion_id: str, offset: int = 0, limit: int | None = None) -> tuple[Ingestion, Batches]:
        with self._lock:
            record = self._state.record(ingestion_id)
            return record.snapshot(), record.batches(range(offset, len(record.states))[:limit])

    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        with self._lock:
            record = self._state.record(ingestion_id)
            batches = record.batches(range(offset, len(record.states))[:limit])
            return record.snapshot(), self._estimate(record), batches

    def results(self, ingestion_id: str) -> Iterator[tuple[int, str]]:
        with self._lock:
            record = self._state.record(ingestion_id)
        return self._results(record)

    def _results(self, record: Record) -> Iterator[tuple[int, str]]:
        size = record.batch_size
        for first in range(0, len(record.states), _CHUNK):
            with self._lock:
                done = list(record.completed_from(first, _CHUNK))
            for position, results in done:
                ids = record.ids[position * size : (position + 1) * size]
                yield from zip(ids, results or ["null"] * len(ids), strict=True)

    def ingestions(
        self,
        *,
        status: Status | None = None,
        priority: Priority | None = None,
        owner: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Ingestion]:
        with self._lock:
            self._state.registry.forget(self._clock.now())
            records = self._state.registry.before(before)
        found: list[Ingestion] = []
        for last in range(len(records), 0, -_CHUNK):
            with self._lock:
                chunk = [record.snapshot() for record in reversed(records[max(0, last - _CHUNK) : last])]
            for one in chunk:
                if status in (None, one.status) and priority in (None, one.priority) and owner in (None, one.owner):
                    found.append(one)
                    if len(found) == limit:
                        return found
        return found

    def estimate(self, ingestion_id: str) -> Estimate | None:
        with self._lock:
            return self._estimate(self._state.record(ingestion_id))

    def _estimate(self, record: Record) -> Estimate | None:
        if record.finished:
            return None
        state, timeline = self._state, self._state.timeline(self._clock.now())
        return estimate(record, state.backlog, timeline, state.running.values(), paused=state.paused)

    def quote(self, count: int) -> dict[Priority, Quote]:
        with self._lock:
            now, state = self._clock.now(), self._state
            timeline = state.timeline(now)
            quotes = {}
            for priority in Priority:
                ahead = state.ahead_of_new(priority, now)
                quotes[priority] = Quote(ahead, None, None) if state.paused else timeline.quote(ahead, count)
            return quotes

    def claim(self, limit: int, *, was_full: bool = False) -> list[Batch] | Wait:
        with self._lock:
            return self._state.claim(limit, was_full=was_full)

    def renew(self, batches: Sequence[Batch]) -> None:
        with self._lock:
            until = self._clock.now() + self._settings.lease
            for batch in batches:
                if claim := self._state.claim_of(batch):
                    claim.lease_until = until

    def recover(self) -> list[tuple[Batch, Ingestion]]:
        with self._lock:
            now, lost = self._clock.now(), []
            for claim in [claim for claim in self._state.running.values() if claim.lease_until <= now]:
                batch, record = claim.batch, claim.record
                state = FAILED if batch.attempt >= self._settings.max_attempts else WAITING
                self._state.end(batch, state, LOST)
                status = statuses(cancelled=record.cancelled)[state]
                lost.append((batch._replace(status=status, error=LOST), record.snapshot()))
            return lost

    def ack(self, batch: Batch, results: Sequence[str]) -> Ingestion | None:
        with self._lock:
            return _seen(self._state.end(batch, COMPLETED, results=results))

    def retry(self, batch: Batch, error: BatchError, delay: float) -> Ingestion | None:
        with self._lock:
            return _seen(self._state.end(batch, WAITING, error, delay=delay))

    def bury(self, batch: Batch, error: BatchError) -> Ingestion | None:
        with self._lock:
            return _seen(self._state.end(batch, FAILED, error))

    def release(self, batch: Batch) -> Ingestion | None:
        with self._lock:
            return _seen(self._state.end(batch, WAITING, attempt=batch.attempt - 1))

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._state.hold_until = max(self._state.hold_until, self._clock.now() + seconds)

    def cancel(self, ingestion_id: str) -> tuple[Ingestion, bool]:
        with self._lock:
            record = self._state.record(ingestion_id)
            new = self._state.cancel(record)
            return record.snapshot(), new

    def redrive(self, ingestion_id: str) -> Ingestion:
        with self._lock:
            record = self._state.record(ingestion_id)
            self._state.redrive(record)
            return record.snapshot()

    def pause(self) -> None:
        with self._lock:
            self._state.paused = True

    def resume(self) -> None:
        with self._lock:
            self._state.resume()

    def stats(self) -> Stats:
        with self._lock:
            now, state = self._clock.now(), self._state
            wait = state.wait(now, max(0, self._settings.concurrency - len(state.running)))
            hold_until = state.hold_until if state.hold_until > now else None
            timeline = state.timeline(now)
            return Stats(
                now,
                state.paused,
                hold_until,
                wait.reason if wait else None,
                state.bucket.tokens(now),
                state.bucket.when(0, now),
                len(state.running),
                state.measured.service,
                depths(state.backlog, timeline, self._settings, state.order + 1, paused=state.paused),
                state.measured.accuracy(),
                state.registry.failed,
                state.queue.next_due(),
            )

    def upcoming(self, limit: int) -> list[tuple[Batch, float | None]]:
        with self._lock:
            now, state = self._clock.now(), self._state
            timeline = state.timeline(now)
            state.queue.first(now)
            found: list[tuple[Batch, float | None]] = []
            for entry in state.queue.in_order():
                record, position = entry.owner, entry.position
                if record.cancelled:
                    continue
                last = len(record.states) if position == record.cursor else position + 1
                for batch in record.batches(range(position, min(last, position + limit - len(found)))):
                    found.append((batch, None if state.paused else timeline.start(len(found))))
                if len(found) == limit:
                    break
            return found

    def dispatches(self, limit: int) -> list[Dispatch]:
        with self._lock:
            log = list(self._state.dispatches)[-limit:]
        return [Dispatch(at, due, batch_id(of, position), of, position, *more) for at, due, of, position, *more in log]

    def prune(self) -> int:
        with self._lock:
            return self._state.registry.forget(self._clock.now())

    def ping(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing is held open."""


def _seen(record: Record | None) -> Ingestion | None:
    return record.snapshot() if record else None
