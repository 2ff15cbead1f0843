"""The store in this process: fast, exact, and gone with it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from .backlog import Backlog, place
from .batches import COMPLETED, FAILED, NEW, RUNNING, WAITING, Batches
from .clock import Clock
from .config import Settings
from .errors import Conflict
from .forecast import depths, estimate
from .holdings import Holdings
from .identifiers import RandomIds
from .limiter import TokenBucket
from .measure import Measured
from .models import Batch, BatchError, Estimate, Ingestion, Priority, Status, batch_count, batch_id
from .queue import Entry, ReadyQueue
from .record import Claim, Record
from .registry import Registry
from .schedule import Timeline, admit, check_quota, limit_of, rank_of
from .store import Dispatch, Quote, Stats, Store, Submission, Wait

_CHUNK = 1000
"""How many batches' results or ingestions are looked at under one hold of the lock."""


class MemoryStore(Store):
    """Everything behind one lock. `claim` costs the same however much waits."""

    durable = False
    shares = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._bucket = TokenBucket(settings.interval, settings.burst)
        self._ids = RandomIds()
        self._queue = ReadyQueue()
        self._backlog = Backlog()
        self._holdings = Holdings() if settings.key_quota else None
        self._registry = Registry(settings.retention)
        self._measured = Measured()
        self._running: dict[tuple[str, int], Claim] = {}
        self._dispatches: deque[tuple[Any, ...]] = deque(maxlen=settings.dispatch_log)
        self._order = 0
        self._paused = False
        self._resumed_at = 0.0
        self._hold_until = 0.0

    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        settings, key = self._settings, submission.key
        with self._lock:
            now = self._clock.now()
            self._registry.forget(now)
            if key is not None:
                known = self._registry.with_key(submission.owner, key, submission.fingerprint)
                if known:
                    return known.snapshot(), False
            rank = rank_of(settings, submission.priority, now)
            count = batch_count(len(submission.ids), settings.batch_size)
            timeline, ahead = self._timeline(now), self._backlog.ahead((rank, self._order + 1))
            self._check_quota(submission, timeline)
            waiting, deadline = self._backlog.total, submission.deadline
            admit(settings, timeline, count=count, waiting=waiting, ahead=ahead, deadline=deadline)
            self._order += 1
            record = Record(self._ids.next(), self._order, rank, now, settings.batch_size, submission)
            record.estimated_completion = None if self._paused else timeline.end(ahead + count - 1)
            self._registry.add(record)
            if key is not None:
                self._registry.remember_key(submission.owner, key, submission.fingerprint, record)
            self._backlog.add(record)
            self._recount(record)
            self._queue.put(Entry(record.rank, record.order, 0, now, record), now)
            return record.snapshot(), True

    def get(self, ingestion_id: str) -> Ingestion:
        with self._lock:
            return self._record(ingestion_id).snapshot()

    def batches(self, ingestion_id: str, offset: int = 0, limit: int | None = None) -> tuple[Ingestion, Batches]:
        with self._lock:
            record = self._record(ingestion_id)
            return record.snapshot(), record.batches(range(offset, len(record.states))[:limit])

    def status(
        self, ingestion_id: str, offset: int = 0, limit: int | None = None
    ) -> tuple[Ingestion, Estimate | None, Batches]:
        with self._lock:
            record = self._record(ingestion_id)
            batches = record.batches(range(offset, len(record.states))[:limit])
            return record.snapshot(), self._estimate(record), batches

    def results(self, ingestion_id: str) -> Iterator[tuple[int, str]]:
        with self._lock:
            record = self._record(ingestion_id)
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
            self._registry.forget(self._clock.now())
            records = self._registry.before(before)
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
            return self._estimate(self._record(ingestion_id))

    def quote(self, count: int) -> dict[Priority, Quote]:
        with self._lock:
            now = self._clock.now()
            timeline = self._timeline(now)
            quotes = {}
            for priority in Priority:
                ahead = self._backlog.ahead((rank_of(self._settings, priority, now), self._order + 1))
                quotes[priority] = Quote(ahead, None, None) if self._paused else timeline.quote(ahead, count)
            return quotes

    def claim(self, limit: int, *, was_full: bool = False) -> list[Batch] | Wait:
        with self._lock:
            now = self._clock.now()
            if wait := self._wait(now, limit):
                return wait
            batches: list[Batch] = []
            while len(batches) < limit and (entry := self._first(now)):
                token_at = self._bucket.ready_at
                if not self._bucket.take(now):
                    break
                batches.append(self._start(entry, now, token_at, was_full=was_full))
            return batches

    def renew(self, batches: Sequence[Batch]) -> None:
        with self._lock:
            until = self._clock.now() + self._settings.lease
            for batch in batches:
                claim = self._running.get((batch.ingestion_id, batch.position))
                if claim and _same(claim.batch, batch):
                    claim.lease_until = until

    def recover(self) -> list[Ingestion]:
        error = BatchError("LeaseExpired", "the worker did not report back in time")
        with self._lock:
            now = self._clock.now()
            lost = [claim.batch for claim in self._running.values() if claim.lease_until <= now]
            changed = []
            for batch in lost:
                state = FAILED if batch.attempt >= self._settings.max_attempts else WAITING
                changed.append(self._end(batch, state, error))
            return [one for one in changed if one and one.status.final]

    def ack(self, batch: Batch, results: Sequence[str]) -> Ingestion | None:
        with self._lock:
            return self._end(batch, COMPLETED, None, results=results)

    def retry(self, batch: Batch, error: BatchError, delay: float) -> Ingestion | None:
        with self._lock:
            return self._end(batch, WAITING, error, delay=delay)

    def bury(self, batch: Batch, error: BatchError) -> Ingestion | None:
        with self._lock:
            return self._end(batch, FAILED, error)

    def release(self, batch: Batch) -> Ingestion | None:
        with self._lock:
            return self._end(batch, WAITING, None, attempt=batch.attempt - 1)

    def hold(self, seconds: float) -> None:
        with self._lock:
            self._hold_until = max(self._hold_until, self._clock.now() + seconds)

    def cancel(self, ingestion_id: str) -> tuple[Ingestion, bool]:
        with self._lock:
            record = self._record(ingestion_id)
            if record.cancelled:
                return record.snapshot(), False
            if record.finished:
                raise Conflict(f"The ingestion is {record.snapshot().status.value}; nothing is left to cancel.")
            self._backlog.change(record, -record.waiting)
            record.cancelled = True
            self._queue.note_cancel()
            self._recount(record)
            self._settle(record, self._clock.now())
            return record.snapshot(), True

    def redrive(self, ingestion_id: str) -> Ingestion:
        with self._lock:
            record = self._record(ingestion_id)
            if record.cancelled:
                raise Conflict("The ingestion was cancelled; submit the ids again instead.")
            if not record.tally[FAILED]:
                raise Conflict("No batch of the ingestion failed; there is nothing to redrive.")
            now = self._clock.now()
            if record.finished_at is not None:
                record.finished_at = record.estimated_completion = None
                self._backlog.add(record)
            failed = [position for position, state in enumerate(record.states) if state == FAILED]
            for position in failed:
                record.move(position, NEW)
                record.attempts[position] = 0
                self._queue.put(Entry(record.rank, record.order, position, now, record), now)
            self._registry.failed -= len(failed)
            self._backlog.change(record, len(failed))
            self._recount(record)
            return record.snapshot()

    def pause(self) -> None:
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        with self._lock:
            if self._paused:
                self._paused = False
                self._resumed_at = self._clock.now()

    def stats(self) -> Stats:
        with self._lock:
            now = self._clock.now()
            wait = self._wait(now, max(0, self._settings.concurrency - len(self._running)))
            hold_until = self._hold_until if self._hold_until > now else None
            return Stats(
                now,
                self._paused,
                hold_until,
                wait.reason if wait else None,
                self._bucket.tokens(now),
                self._bucket.when(0, now),
                len(self._running),
                self._measured.service,
                depths(self._backlog, self._timeline(now), self._settings, self._order + 1, paused=self._paused),
                self._measured.accuracy(),
                self._registry.failed,
                self._queue.next_due(),
            )

    def upcoming(self, limit: int) -> list[tuple[Batch, float | None]]:
        with self._lock:
            now = self._clock.now()
            timeline = self._timeline(now)
            self._queue.first(now)
            found: list[tuple[Batch, float | None]] = []
            for entry in self._queue.in_order():
                record, position = entry.record, entry.position
                if record.cancelled:
                    continue
                last = len(record.states) if position == record.cursor else position + 1
                for batch in record.batches(range(position, min(last, position + limit - len(found)))):
                    found.append((batch, None if self._paused else timeline.start(len(found))))
                if len(found) == limit:
                    break
            return found

    def dispatches(self, limit: int) -> list[Dispatch]:
        with self._lock:
            log = list(self._dispatches)[-limit:]
        return [Dispatch(at, due, batch_id(of, position), of, position, *more) for at, due, of, position, *more in log]

    def prune(self) -> int:
        with self._lock:
            return self._registry.forget(self._clock.now())

    def ping(self) -> None:
        """Memory is always there."""

    def close(self) -> None:
        """Nothing is held open."""

    # What follows is called with the lock held.

    def _record(self, ingestion_id: str) -> Record:
        return self._registry.get(ingestion_id, self._clock.now())

    def _estimate(self, record: Record) -> Estimate | None:
        if record.finished:
            return None
        timeline = self._timeline(self._clock.now())
        return estimate(record, self._backlog, timeline, self._running.values(), paused=self._paused)

    def _recount(self, record: Record) -> None:
        if self._holdings:
            self._holdings.recount(record)

    def _check_quota(self, submission: Submission, timeline: Timeline) -> None:
        holdings, owner = self._holdings, submission.owner
        if holdings is None or owner is None:
            return

        def until_started(ids: int) -> float:
            record, nth = holdings.reach(owner, ids)
            ahead = self._backlog.ahead(place(record))
            return timeline.start(ahead + batch_count(nth, record.batch_size) - 1) - timeline.now

        check_quota(self._settings.key_quota, len(submission.ids), holdings.ids(owner), until_started)

    def _first(self, now: float) -> Entry | None:
        """The most urgent due entry; those that were cancelled are dropped on the way."""
        while (entry := self._queue.first(now)) and entry.record.cancelled:
            self._queue.pop()
        return entry

    def _wait(self, now: float, slots: int) -> Wait | None:
        """Why nothing can be dispatched now, or None where something can."""
        if self._paused:
            return Wait(None, "paused")
        if self._hold_until > now:
            return Wait(self._hold_until - now, "hold")
        if not self._first(now):
            due = self._queue.next_due()
            return Wait(None, "empty") if due is None else Wait(due - now, "retry")
        if slots <= 0:
            return Wait(None, "slots")
        if (token_at := self._bucket.when(0, now)) > now:
            return Wait(token_at - now, "token")
        return None

    def _start(self, entry: Entry, now: float, token_at: float, *, was_full: bool) -> Batch:
        record, position = entry.record, entry.position
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
        self._queue.pop(following)
        self._backlog.change(record, -1)
        self._recount(record)
        if record.started_at is None:
            record.started_at = now
        batch = record.claimed(position, attempt, entry.due, now)
        self._running[record.id, position] = Claim(record, batch, now, now + self._settings.lease)
        limited_by = limit_of(
            fresh=fresh,
            due=entry.due,
            resumed_at=self._resumed_at,
            hold_until=self._hold_until,
            token_at=token_at,
            was_full=was_full,
        )
        place = record.priority, record.rank, record.order
        self._dispatches.append((now, entry.due, record.id, position, attempt, *place, limited_by))
        return batch

    def _end(
        self,
        batch: Batch,
        state: int,
        error: BatchError | None,
        *,
        results: Sequence[str] = (),
        delay: float = 0.0,
        attempt: int | None = None,
    ) -> Ingestion | None:
        """End a claim, unless it is not the latest any more."""
        claim = self._running.get((batch.ingestion_id, batch.position))
        if claim is None or not _same(claim.batch, batch):
            return None
        del self._running[batch.ingestion_id, batch.position]
        now, record, position = self._clock.now(), claim.record, batch.position
        record.move(position, state)
        self._registry.failed += state == FAILED
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
            self._queue.put(Entry(record.rank, record.order, position, due, record), now)
            self._backlog.change(record, 1)
            self._recount(record)
        if attempt is None:
            self._measured.took(now - claim.started_at)
        self._settle(record, now)
        return record.snapshot()

    def _settle(self, record: Record, now: float) -> None:
        """Note the end of an ingestion of which nothing is left to do."""
        if not record.finished or record.finished_at is not None:
            return
        if record.estimated_completion is not None and not record.cancelled:
            self._measured.missed_by(now - record.estimated_completion)
        self._backlog.remove(record)
        self._registry.end(record, now)

    def _timeline(self, now: float) -> Timeline:
        return Timeline(
            now, self._bucket, self._hold_until, len(self._running), self._settings.concurrency, self._measured.service
        )


def _same(claim: Batch, other: Batch) -> bool:
    return (claim.attempt, claim.claimed_at) == (other.attempt, other.claimed_at)
