"""The store in this process: fast, exact, and lost when the process ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from ..config import Settings
from ..core import Claim, Clock, Ingestion, Priority, Steering, Wait, WorkerReport, hashes_of, statuses, steer
from ..outcomes import Ended, Outcome
from ..store import Store, Submission
from . import admission, controls
from .finder import MemoryFinder
from .reading import MemoryReading
from .record import Record
from .state import MemoryState
from .sweeps import MemorySweeps


class MemoryStore(MemoryReading, Store):
    """A state behind one lock. `claim` costs the same however much waits."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(threading.Lock(), MemoryState(settings, clock), clock)
        self.outbox = self._state.outbox
        self.served = self._state.served
        self.sweeps = MemorySweeps(self._lock, self._state, clock)
        self.finder = MemoryFinder(self._lock, self._state, clock)

    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        hashes = hashes_of(submission.ids) if self._state.settings.find_ids else {}
        with self._lock:
            record, new = admission.add(self._state, submission, self._clock.now())
            if new:
                self._state.registry.hashes.add(record, hashes)
            return record.snapshot(), new

    def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
        with self._lock:
            return self._state.claim(limit, self._clock.now(), was_full=was_full)

    def renew(self, claims: Sequence[Claim]) -> None:
        with self._lock:
            now = self._clock.now()
            for claim in claims:
                self._state.leases.renew(claim, now)

    def recover(self) -> list[tuple[Claim, Ingestion]]:
        with self._lock:
            now = self._clock.now()
            return [self._lose(lease.record, lease.claim, now) for lease in self._state.leases.lapsed(now)]

    def _lose(self, record: Record, claim: Claim, now: float) -> tuple[Claim, Ingestion]:
        outcome = Outcome.lost(claim.batch.attempt, self._state.settings.max_attempts)
        ended = self._state.end(claim, outcome, now)
        state = ended.state if ended else outcome.state
        status = statuses(cancelled=record.cancelled)[state]
        batch = claim.batch._replace(status=status, error=outcome.error, priority=record.priority)
        return claim._replace(batch=batch), record.snapshot()

    def end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        with self._lock:
            return self._state.end(claim, outcome, self._clock.now())

    def end_together(self, ended: Sequence[tuple[Claim, Outcome]]) -> list[Ended | None]:
        with self._lock:
            now = self._clock.now()
            return [self._state.end(claim, outcome, now) for claim, outcome in ended]

    def proceed(
        self, claim: Claim, outcome: Outcome, *, was_full: bool = False
    ) -> tuple[Ended | None, list[Claim] | Wait]:
        with self._lock:
            now = self._clock.now()
            return self._state.end(claim, outcome, now), self._state.claim(1, now, was_full=was_full)

    def hold(self, seconds: float) -> None:
        with self._lock:
            now, state = self._clock.now(), self._state
            state.gate.hold(now + seconds)
            state.minutes.changed(state.gate, now)

    def slow_down(self, claim: Claim) -> float | None:
        with self._lock:
            return self._state.gate.slow_down(self._state.settings, claim.claimed_at, self._clock.now())

    def report(self, worker: WorkerReport) -> int:
        with self._lock:
            now, state = self._clock.now(), self._state
            before = state.workers.get(worker.id)
            state.workers[worker.id] = worker._replace(started_at=before.started_at if before else now, seen_at=now)
            return state.gate.concurrency.of(worker, state.settings)

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
            before, after = steer(state.gate, state.settings, now, steering)
            if after:
                state.audits.note(by, action, "", before, after)
                state.minutes.changed(state.gate, now)
            if state.gate.pauses != pauses:
                state.rearrange()
            return bool(after)

    def prune(self) -> Iterator[int]:
        while self.outbox.prune():
            yield 0
        if serving := self._state.serving:
            now, more = self._clock.now(), True
            while more:
                with self._lock:
                    more = serving.known.forget(now)
                yield 0
        yield from self._forgetting()

    def ping(self) -> None:
        """Memory is always reachable."""

    def close(self) -> None:
        """Nothing to close."""
