"""The store in this process: fast, exact, and lost when the process ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice

from ..config import Settings
from ..core import (
    ALL_FAILURES,
    ANY,
    Attempt,
    Audit,
    Batch,
    BatchError,
    Batches,
    CallerDepth,
    Claim,
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
    Steering,
    Wait,
    WorkerReport,
    batch_id,
    hashes_of,
    statuses,
    steer,
)
from ..outcomes import Ended, Outcome
from ..store import Store, Submission
from . import admission, controls, listing
from .failures import CHUNK, failures
from .finder import MemoryFinder
from .forecast import caller_depths, estimate, quotes, stats, upcoming
from .record import Record
from .state import MemoryState
from .sweeps import MemorySweeps


class MemoryStore(Store):
    """A state behind one lock. `claim` costs the same however much waits."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._state = MemoryState(settings, clock)
        self.outbox = self._state.outbox
        self.served = self._state.served
        self.sweeps = MemorySweeps(self._lock, self._state, clock, settings.retention)
        self.finder = MemoryFinder(self._lock, self._state, settings, clock)

    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        hashes = hashes_of(submission.ids) if self._settings.find_ids else {}
        with self._lock:
            record, new = admission.add(self._state, submission, self._clock.now())
            if new:
                self._state.registry.hashes.add(record, hashes)
            return record.snapshot(), new

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

    def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
        with self._lock:
            return self._state.claim(limit, was_full=was_full)

    def renew(self, claims: Sequence[Claim]) -> None:
        with self._lock:
            now = self._clock.now()
            for claim in claims:
                self._state.leases.renew(claim, now)

    def recover(self) -> list[tuple[Claim, Ingestion]]:
        with self._lock:
            lapsed = self._state.leases.lapsed(self._clock.now())
            return [self._lose(lease.record, lease.claim) for lease in lapsed]

    def _lose(self, record: Record, claim: Claim) -> tuple[Claim, Ingestion]:
        outcome = Outcome.lost(claim.batch.attempt, self._settings.max_attempts)
        ended = self._state.end(claim, outcome)
        state = ended.state if ended else outcome.state
        status = statuses(cancelled=record.cancelled)[state]
        batch = claim.batch._replace(status=status, error=outcome.error, priority=record.priority)
        return claim._replace(batch=batch), record.snapshot()

    def end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        with self._lock:
            return self._state.end(claim, outcome)

    def proceed(
        self, claim: Claim, outcome: Outcome, *, was_full: bool = False
    ) -> tuple[Ended | None, list[Claim] | Wait]:
        with self._lock:
            return self._state.end(claim, outcome), self._state.claim(1, was_full=was_full)

    def hold(self, seconds: float) -> None:
        with self._lock:
            now, state = self._clock.now(), self._state
            state.gate.hold(now + seconds)
            state.minutes.changed(state.gate, now)

    def slow_down(self, claim: Claim) -> float | None:
        with self._lock:
            return self._state.gate.slow_down(self._settings, claim.claimed_at, self._clock.now())

    def report(self, worker: WorkerReport) -> int:
        with self._lock:
            now, workers = self._clock.now(), self._state.workers
            before = workers.get(worker.id)
            workers[worker.id] = worker._replace(started_at=before.started_at if before else now, seen_at=now)
            return self._state.gate.concurrency.of(worker, self._settings)

    def runs(self, limit: int) -> list[Run]:
        with self._lock:
            state = self._state
            worker = next(reversed(state.workers), None)
            running = sorted((one.claim for one in state.leases), key=lambda claim: claim.claimed_at)
            return [
                Run(worker, batch.id, batch.ingestion_id, batch.attempt, claimed_at)
                for batch, _, claimed_at, *_ in running[:limit]
            ]

    def leave(self, worker_id: str) -> None:
        with self._lock:
            self._state.workers.pop(worker_id, None)

    def cancel(self, ingestion_id: str, by: str | None = None) -> tuple[Ingestion, bool]:
        with self._lock:
            record = self._state.record(ingestion_id)
            new = controls.cancel(self._state, record, by, self._clock.now())
            return record.snapshot(), new

    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        with self._lock:
            record = self._state.record(ingestion_id)
            controls.redrive(self._state, record, by, self._clock.now())
            return record.snapshot()

    def move(self, ingestion_id: str, priority: Priority, by: str | None = None) -> Ingestion:
        with self._lock:
            record = self._state.record(ingestion_id)
            controls.move(self._state, record, priority, by, self._clock.now())
            return record.snapshot()

    def steer(self, action: str, steering: Steering, by: str | None) -> bool:
        with self._lock:
            now, state = self._clock.now(), self._state
            pauses = state.gate.pauses
            before, after = steer(state.gate, self._settings, now, steering)
            if after:
                state.audits.note(by, action, "", before, after)
                state.minutes.changed(state.gate, now)
            if state.gate.pauses != pauses:
                state.rearrange()
            return bool(after)

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

    def dispatches(self, limit: int) -> list[Dispatch]:
        with self._lock:
            log = list(self._state.dispatches)[-limit:]
        return [Dispatch(at, due, batch_id(of, position), of, position, *more) for at, due, of, position, *more in log]

    def minutes(self) -> dict[int, Minute]:
        with self._lock:
            return self._state.minutes.last_hour(self._clock.now())

    def prune(self) -> Iterator[int]:
        while self.outbox.prune():
            yield 0
        now, more = self._clock.now(), self._state.serving is not None
        while more and self._state.serving:
            with self._lock:
                more = self._state.serving.known.forget(now)
            yield 0
        yield from self._forgetting()

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

    def ping(self) -> None:
        """Memory is always reachable."""

    def close(self) -> None:
        """Nothing to close."""
