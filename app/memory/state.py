"""The state in memory and how it changes: queue, limiter and records together."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..config import Settings
from ..core import (
    COMPLETED,
    FAILED,
    NEW,
    RUNNING,
    WAITING,
    Batch,
    BatchError,
    Clock,
    Measured,
    Priority,
    Timeline,
    TokenBucket,
    admit,
    batch_count,
    check_quota,
    limit_of,
    rank_of,
)
from ..errors import Conflict
from ..queue import Entry, ReadyQueue
from ..store import Submission, Wait
from .backlog import Backlog, place
from .holdings import Holdings
from .identifiers import RandomIds
from .record import Claim, Record
from .registry import Registry


class MemoryState:
    """Every ingestion with its batches, and what decides which of them goes when.

    Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.bucket = TokenBucket(settings.interval, settings.burst)
        self.queue = ReadyQueue[Record]()
        self.backlog = Backlog()
        self.registry = Registry(settings.retention)
        self.measured = Measured()
        self.running: dict[tuple[str, int], Claim] = {}
        self.dispatches: deque[tuple[Any, ...]] = deque(maxlen=settings.dispatch_log)
        self.order = 0
        self.paused = False
        self.hold_until = 0.0
        self._settings = settings
        self._clock = clock
        self._ids = RandomIds()
        self._holdings = Holdings() if settings.key_quota else None
        self._resumed_at = 0.0

    def record(self, ingestion_id: str) -> Record:
        """Raises UnknownIngestion."""
        return self.registry.get(ingestion_id, self._clock.now())

    def timeline(self, now: float) -> Timeline:
        return Timeline(
            now, self.bucket, self.hold_until, len(self.running), self._settings.concurrency, self.measured.service
        )

    def ahead_of_new(self, priority: Priority, now: float) -> int:
        """How many batches would wait before those of an ingestion created now."""
        return self.backlog.ahead((rank_of(self._settings, priority, now), self.order + 1))

    def add(self, submission: Submission) -> tuple[Record, bool]:
        settings, key, now = self._settings, submission.key, self._clock.now()
        self.registry.forget(now)
        if key is not None and (known := self.registry.with_key(submission.owner, key, submission.fingerprint)):
            return known, False
        count = batch_count(len(submission.ids), settings.batch_size)
        timeline, ahead = self.timeline(now), self.ahead_of_new(submission.priority, now)
        self._check_quota(submission, timeline)
        admit(settings, timeline, count=count, waiting=self.backlog.total, ahead=ahead, deadline=submission.deadline)
        self.order += 1
        rank = rank_of(settings, submission.priority, now)
        record = Record(self._ids.next(), self.order, rank, now, settings.batch_size, submission)
        record.estimated_completion = None if self.paused else timeline.end(ahead + count - 1)
        self.registry.add(record)
        if key is not None:
            self.registry.remember_key(submission.owner, key, submission.fingerprint, record)
        self.backlog.add(record)
        self._recount(record)
        self.queue.put(Entry(record.rank, record.order, 0, now, record), now)
        return record, True

    def wait(self, now: float, slots: int) -> Wait | None:
        """Why nothing can be dispatched now, or None where something can."""
        if self.paused:
            return Wait(None, "paused")
        if self.hold_until > now:
            return Wait(self.hold_until - now, "hold")
        if not self._first(now):
            due = self.queue.next_due()
            return Wait(None, "empty") if due is None else Wait(due - now, "retry")
        if slots <= 0:
            return Wait(None, "slots")
        if (token_at := self.bucket.when(0, now)) > now:
            return Wait(token_at - now, "token")
        return None

    def claim(self, limit: int, *, was_full: bool) -> list[Batch] | Wait:
        now = self._clock.now()
        if wait := self.wait(now, limit):
            return wait
        batches: list[Batch] = []
        while len(batches) < limit and (entry := self._first(now)):
            token_at = self.bucket.ready_at
            if not self.bucket.take(now):
                break
            batches.append(self._start(entry, now, token_at, was_full=was_full))
        return batches

    def _first(self, now: float) -> Entry[Record] | None:
        """The most urgent due entry; those that were cancelled are dropped on the way."""
        while (entry := self.queue.first(now)) and entry.owner.cancelled:
            self.queue.pop()
        return entry

    def _start(self, entry: Entry[Record], now: float, token_at: float, *, was_full: bool) -> Batch:
        record, position = entry.owner, entry.position
        fresh = record.states[position] == NEW
        attempt = record.attempt(position) + 1
        if attempt != 1 or position in record.attempts:
            record.attempts[position] = attempt
        record.dues.pop(position, None)
        record.move(position, RUNNING)
        following = None
        if position == record.cursor:
            record.cursor += 1
            if record.cursor < len(record.states):
                following = Entry(entry.rank, entry.order, record.cursor, entry.due, record)
        self.queue.pop(following)
        self.backlog.change(record, -1)
        self._recount(record)
        if record.started_at is None:
            record.started_at = now
        batch = record.claimed(position, attempt, entry.due, now)
        self.running[record.id, position] = Claim(record, batch, now, now + self._settings.lease)
        limited_by = limit_of(
            fresh=fresh,
            due=entry.due,
            resumed_at=self._resumed_at,
            hold_until=self.hold_until,
            token_at=token_at,
            was_full=was_full,
        )
        where = record.priority, record.rank, record.order
        self.dispatches.append((now, entry.due, record.id, position, attempt, *where, limited_by))
        return batch

    def claim_of(self, batch: Batch) -> Claim | None:
        """The claim under which a batch was handed out, unless it is not the latest any more."""
        claim = self.running.get((batch.ingestion_id, batch.position))
        if claim and (claim.batch.attempt, claim.batch.claimed_at) == (batch.attempt, batch.claimed_at):
            return claim
        return None

    def end(
        self,
        batch: Batch,
        state: int,
        error: BatchError | None = None,
        *,
        results: Sequence[str] = (),
        delay: float = 0.0,
        attempt: int | None = None,
    ) -> Record | None:
        """End a claim, unless it is not the latest any more; `attempt` where it is not counted."""
        claim = self.claim_of(batch)
        if claim is None:
            return None
        del self.running[batch.ingestion_id, batch.position]
        now, record, position = self._clock.now(), claim.record, batch.position
        record.move(position, state)
        self.registry.failed += state == FAILED
        if error is not None:
            record.errors[position] = error
        elif state == COMPLETED:
            record.errors.pop(position, None)
            record.results[position] = results
        if attempt is not None:
            record.attempts[position] = attempt
        if state == WAITING and not record.cancelled:
            due = now + delay
            record.dues[position] = due
            self.queue.put(Entry(record.rank, record.order, position, due, record), now)
            self.backlog.change(record, 1)
            self._recount(record)
        if attempt is None:
            self.measured.took(now - claim.started_at)
        self._settle(record, now)
        return record

    def cancel(self, record: Record) -> bool:
        """Whether this cancelled it. Raises Conflict."""
        if record.cancelled:
            return False
        if record.finished:
            raise Conflict(f"The ingestion is {record.snapshot().status.value}; nothing is left to cancel.")
        self.backlog.change(record, -record.waiting)
        record.cancelled = True
        self.queue.note_gone(lambda record: record.cancelled)
        self._recount(record)
        self._settle(record, self._clock.now())
        return True

    def redrive(self, record: Record) -> None:
        """Raises Conflict."""
        if record.cancelled:
            raise Conflict("The ingestion was cancelled; submit the ids again instead.")
        if not record.tally[FAILED]:
            raise Conflict("No batch of the ingestion failed; there is nothing to redrive.")
        now = self._clock.now()
        if record.finished_at is not None:
            record.finished_at = record.estimated_completion = None
            self.backlog.add(record)
        failed = [position for position, state in enumerate(record.states) if state == FAILED]
        for position in failed:
            record.move(position, NEW)
            record.attempts[position] = 0
            self.queue.put(Entry(record.rank, record.order, position, now, record), now)
        self.registry.failed -= len(failed)
        self.backlog.change(record, len(failed))
        self._recount(record)

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self._resumed_at = self._clock.now()

    def _settle(self, record: Record, now: float) -> None:
        """Note the end of an ingestion of which nothing is left to do."""
        if not record.finished or record.finished_at is not None:
            return
        if record.estimated_completion is not None and not record.cancelled:
            self.measured.missed_by(now - record.estimated_completion)
        self.backlog.remove(record)
        self.registry.end(record, now)

    def _recount(self, record: Record) -> None:
        if self._holdings:
            self._holdings.recount(record)

    def _check_quota(self, submission: Submission, timeline: Timeline) -> None:
        holdings, owner = self._holdings, submission.owner
        if holdings is None or owner is None:
            return

        def until_started(ids: int) -> float:
            record, nth = holdings.reach(owner, ids)
            ahead = self.backlog.ahead(place(record))
            return timeline.start(ahead + batch_count(nth, record.batch_size) - 1) - timeline.now

        check_quota(self._settings.key_quota, len(submission.ids), holdings.ids(owner), until_started)
