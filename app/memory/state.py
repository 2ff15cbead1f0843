"""The state in memory and how it changes: queue, limiter and records."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from ..config import Settings
from ..core import (
    COMPLETED,
    FAILED,
    NEW,
    RUNNING,
    WAITING,
    Attempt,
    Audit,
    BatchError,
    Claim,
    Clock,
    Gate,
    Measured,
    Place,
    Priority,
    Prospect,
    Running,
    Status,
    Timeline,
    Wait,
    WorkerReport,
    admit,
    batch_count,
    check_cancel,
    check_move,
    check_quota,
    check_redrive,
    outcome_of,
    rank_of,
    room_of,
    this_process,
)
from ..queue import Entry, ReadyQueue
from ..store import Outcome, Submission
from .aside import Aside
from .backlog import Backlog, place
from .callbacks import MemoryOutbox
from .holdings import Holdings
from .identifiers import RandomIds
from .minutes import Minutes
from .record import Lease, Record
from .registry import Registry


class MemoryState:
    """Every ingestion with its batches, the queue and the limiter.

    Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.gate = Gate.of(settings, clock.now())
        self.queue = ReadyQueue[Record]()
        self.aside = Aside()
        self.backlog = Backlog()
        self.registry = Registry(settings.retention)
        self.outbox = MemoryOutbox(settings, clock)
        self.measured = Measured()
        self.leases: dict[tuple[str, int], Lease] = {}
        self.dispatches: deque[tuple[Any, ...]] = deque(maxlen=settings.dispatch_log)
        self.minutes = Minutes()
        self._parked: dict[Record, list[Entry[Record]]] = {}
        self.workers: dict[str, WorkerReport] = {}
        self.audits: deque[Audit] = deque(maxlen=settings.audit_log)
        self.order = 0
        self._settings = settings
        self._clock = clock
        self._ids = RandomIds()
        self._holdings = Holdings() if settings.key_quota else None

    def record(self, ingestion_id: str) -> Record:
        """Raises UnknownIngestion."""
        return self.registry.get(ingestion_id, self._clock.now())

    def timeline(self, now: float) -> Timeline:
        gate = self.gate = self.gate.at(self._settings, now)
        return Timeline(
            now,
            gate.limiter,
            gate.hold_until,
            Running(len(self.leases), lambda: (lease.claim.claimed_at for lease in self.leases.values())),
            self.slots(now),
            self.measured.service,
            gate.paused,
            self.backlog.total,
            self.aside,
            self.backlog.parked,
        )

    def present(self, now: float) -> list[WorkerReport]:
        """Returns the workers that reported within a lease."""
        concurrency = self.gate.concurrency
        return [
            one._replace(slots=concurrency.of(one, one.slots))
            for one in self.workers.values()
            if one.seen_at > now - self._settings.lease
        ]

    def slots(self, now: float) -> int:
        """Returns how many batches may run at once, in all workers."""
        slots = sum(one.slots for one in self.present(now))
        return min(slots or self.gate.concurrency.each or self._settings.concurrency, room_of(self._settings, 0))

    def line(self, priority: Priority, now: float) -> tuple[int, Place]:
        """Returns how many batches wait before an ingestion created now, and its place."""
        new = rank_of(self._settings, priority, now), self.order + 1
        return self.backlog.ahead(new), new

    def prospect(self, record: Record) -> Prospect:
        """Returns what is counted for an unfinished ingestion's estimate."""
        where = place(record)
        started = [lease.claim.claimed_at for lease in self.leases.values() if lease.record is record]
        return Prospect(where, self.backlog.ahead(where), record.waiting, record.tally[WAITING], started, record.parked)

    def add(self, submission: Submission) -> tuple[Record, bool]:
        settings, key, now = self._settings, submission.key, self._clock.now()
        self.registry.forget(now)
        if key is not None and (known := self.registry.with_key(submission.owner, key, submission.fingerprint)):
            return known, False
        count = batch_count(len(submission.ids), settings.batch_size)
        timeline, (ahead, new) = self.timeline(now), self.line(submission.priority, now)
        self._check_quota(submission, timeline)
        admit(settings, timeline, count=count, ahead=ahead, place=new, deadline=submission.deadline)
        self.order += 1
        record = Record(self._ids.next(), self.order, new[0], now, settings.batch_size, submission)
        record.parked = self.gate.pauses.cover(record.priority, record.owner)
        record.estimated_completion = None if record.parked else timeline.completion(ahead, count, new)
        self.registry.add(record)
        if key is not None:
            self.registry.remember_key(submission.owner, key, submission.fingerprint, record)
        self.backlog.add(record)
        self._recount(record)
        self._line_up(Entry(record.rank, record.order, 0, now, record), now)
        return record, True

    def _line_up(self, entry: Entry[Record], now: float) -> None:
        if entry.owner.parked:
            self._parked.setdefault(entry.owner, []).append(entry)
        elif entry.due > now:
            self.aside.add(entry)
        else:
            self.queue.put(entry)

    def rearrange(self) -> None:
        """Take out of the line what is paused, and back into it what no longer is."""
        pauses, now = self.gate.pauses, self._clock.now()
        unfinished = (record for lane in self.backlog.lanes.values() for record in lane.unfinished())
        changed = {one for one in unfinished if pauses.cover(one.priority, one.owner) != one.parked}
        if not changed:
            return
        entries = self.queue.remove(changed.__contains__) + self.aside.remove(changed.__contains__)
        for record in changed:
            entries += self._parked.pop(record, ())
            self.backlog.park(record, parked=not record.parked)
        for entry in entries:
            self._line_up(entry, now)

    def first_due(self, now: float) -> float | None:
        """Returns when the first batch in line is due, None if none is."""
        return now if self._first(now) else self.aside.next_due()

    def claim(self, limit: int, *, was_full: bool) -> list[Claim] | Wait:
        now = self._clock.now()
        self.gate = self.gate.at(self._settings, now)
        limiter, room = self.gate.limiter, room_of(self._settings, len(self.leases))
        parked = self.backlog.parked
        if wait := self.gate.wait(now, due=self.first_due(now), slots=limit, room=room, parked=parked):
            return wait
        claims: list[Claim] = []
        while len(claims) < min(limit, room) and (entry := self._first(now)):
            token_at = limiter.ready_at
            if not limiter.take(now):
                break
            claims.append(self._start(entry, now, token_at, was_full=was_full))
        return claims

    def _first(self, now: float) -> Entry[Record] | None:
        """Returns the most urgent due entry; drops cancelled ones on the way."""
        for due in self.aside.take(now):
            self.queue.put(due)
        while (entry := self.queue.first()) and entry.owner.cancelled:
            self.queue.pop()
        return entry

    def next_batches(self, now: float) -> Iterator[tuple[Record, int]]:
        """Returns the due batches in true order, each as its record and position; `aside` then has no due ones."""
        self._first(now)
        return (
            (entry.owner, position)
            for entry in self.queue.in_order()
            if not entry.owner.cancelled
            for position in entry.owner.in_line(entry.position)
            for _ in range(entry.owner.starts(position))
        )

    def _start(self, entry: Entry[Record], now: float, token_at: float, *, was_full: bool) -> Claim:
        record, position = entry.owner, entry.position
        record.start(position, now)
        details, fresh = record.details, record.states[position] == NEW
        first = record.tally[NEW] == len(record.states)
        attempt = record.attempt(position) + 1
        if attempt != 1 or position in details.attempts:
            details.attempts[position] = attempt
        details.dues.pop(position, None)
        starts = record.starts(position)
        record.move(position, RUNNING)
        if first:
            self.registry.catalog.refile(record)
        following = None
        if position == record.cursor:
            record.cursor += 1
            if record.cursor < len(record.states):
                following = Entry(entry.rank, entry.order, record.cursor, entry.due, record)
        self.queue.pop(following)
        self.backlog.change(record, -starts)
        self._recount(record)
        claim = record.claim(position, attempt, entry.due, now)
        self.leases[record.id, position] = Lease(record, claim, now + self._settings.lease)
        limited_by = self.gate.limited_by(fresh=fresh, due=entry.due, token_at=token_at, was_full=was_full)
        where = record.priority, record.rank, record.order
        if kept := self._settings.attempts_kept:
            made = Attempt(position, attempt, entry.due, now, limited_by, *this_process())
            details.log[position] = (*details.log.get(position, ()), made)[-kept:]
        minute = self.minutes.at(now)
        if not minute.starts:
            minute.interval = self.gate.steady_interval(self._settings, now)
        minute.start(record.priority, now - entry.due)
        self.dispatches.append((now, entry.due, record.id, position, attempt, *where, limited_by))
        return claim

    def lease_of(self, claim: Claim) -> Lease | None:
        """Returns the lease of a claim, None if it is no longer the latest of its batch."""
        lease = self.leases.get((claim.batch.ingestion_id, claim.batch.position))
        if lease and claim.is_latest(lease.claim.batch.attempt, lease.claim.claimed_at):
            return lease
        return None

    def end(self, claim: Claim, outcome: Outcome) -> tuple[Record, int, BatchError | None] | None:
        """End a claim; returns the batch's record, state and error, None if it is no longer the latest of its batch."""
        lease = self.lease_of(claim)
        if lease is None:
            return None
        state, error, results, delay, counted = outcome
        now, record, position = self._clock.now(), lease.record, claim.batch.position
        del self.leases[record.id, position]
        details, answers = record.details, None
        if state == FAILED or position in details.answers:
            split = self._settings.split_failed
            state, error, answers = record.answers(position).after(state, error, results, split=split)
        record.move(position, state, answers)
        if state != WAITING:
            details.times[2 * position + 1] = now
        if state == FAILED:
            self.registry.failed += 1
            self.minutes.at(now).failed += 1
            self.registry.catalog.refile(record)
        if error is not None:
            details.errors[position] = error
        elif state == COMPLETED:
            details.errors.pop(position, None)
            details.results[position] = results if answers is None else record.complete(position)
        if state == WAITING != outcome.state:
            details.attempts[position] = 0
        if log := details.log.get(position):
            made = log[-1]._replace(ended_at=now, outcome=outcome_of(state, counted=counted), error=error)
            details.log[position] = (*log[:-1], made)
        if counted:
            self.measured.took(now - claim.claimed_at)
        else:
            details.attempts[position] = claim.batch.attempt - 1
        if state == WAITING and not record.cancelled:
            details.dues[position] = now + delay
            self._line_up(Entry(record.rank, record.order, position, now + delay, record), now)
            self.backlog.change(record, record.starts(position))
            self._recount(record)
        self._settle(record, now)
        return record, state, error

    def note(self, by: str | None, action: str, subject: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Record in the audit log who did what."""
        number = self.audits[-1].number + 1 if self.audits else 1
        self.audits.append(Audit(number, self._clock.now(), by, action, subject, before, after))

    def cancel(self, record: Record, by: str | None, *, audited: bool = True) -> bool:
        """Cancel an ingestion; returns whether it was not cancelled before. Raises Conflict."""
        status = record.status
        if not check_cancel(status, cancelled=record.cancelled):
            return False
        if audited:
            self.note(by, "cancel", record.id, {"status": status}, {"status": Status.CANCELLED})
        self.backlog.change(record, -record.waiting)
        record.cancelled = True
        self._parked.pop(record, None)
        if record.details.dues:
            self.aside.remove(lambda one: one is record)
        self.queue.note_gone(lambda owner: owner.cancelled)
        self._recount(record)
        self._settle(record, self._clock.now())
        return True

    def redrive(self, record: Record, by: str | None, *, audited: bool = True) -> None:
        """Start an ingestion's failed batches over. Raises Conflict."""
        check_redrive(record.tally[FAILED], cancelled=record.cancelled)
        if audited:
            self.note(by, "redrive", record.id, {"failed": record.tally[FAILED]}, {"failed": 0})
        now = self._clock.now()
        if record.finished_at is not None:
            record.finished_at = record.estimated_completion = None
            record.parked = self.gate.pauses.cover(record.priority, record.owner)
            self.backlog.add(record)
        failed = [position for position, state in enumerate(record.states) if state == FAILED]
        for position in failed:
            record.move(position, NEW)
            record.details.attempts[position] = 0
            self._line_up(Entry(record.rank, record.order, position, now, record), now)
        self.registry.failed -= len(failed)
        self.backlog.change(record, len(failed))
        self.registry.catalog.refile(record)
        self._recount(record)

    def move(self, record: Record, priority: Priority, by: str | None) -> None:
        """Have what waits of an ingestion go at another priority. Raises Conflict."""
        check_move(record.status, cancelled=record.cancelled)
        if priority == (before := record.priority):
            return
        self.note(by, "move", record.id, {"priority": before.name}, {"priority": priority.name})
        now, rank = self._clock.now(), rank_of(self._settings, priority, record.created_at)
        entries = self.queue.remove(lambda one: one is record) + self._parked.pop(record, [])
        if record.details.dues:
            entries += self.aside.remove(lambda one: one is record)
        self.backlog.move(record, priority, rank)
        self.backlog.park(record, parked=self.gate.pauses.cover(priority, record.owner))
        for entry in entries:
            self._line_up(entry._replace(rank=rank), now)
        record.estimated_completion = None
        self.gate.order_since = now
        self.registry.catalog.refile(record)
        if self._holdings:
            self._holdings.move(record, before)

    def _settle(self, record: Record, now: float) -> None:
        """Record the end of an ingestion that has nothing left to do."""
        if not record.finished:
            return
        if record.estimated_completion is not None and not record.cancelled:
            self.measured.missed_by(now - record.estimated_completion)
            self.minutes.at(now).miss(now - record.estimated_completion)
        self.backlog.remove(record)
        self.registry.catalog.refile(record)
        self.registry.end(record, now)
        self.outbox.add(record)

    def _recount(self, record: Record) -> None:
        if self._holdings:
            self._holdings.recount(record)

    def _check_quota(self, submission: Submission, timeline: Timeline) -> None:
        holdings, owner = self._holdings, submission.owner
        if holdings is None or owner is None:
            return

        def until_started(ids: int) -> float | None:
            record, nth = holdings.reach(owner, ids)
            return timeline.until_started(self.prospect(record), batch_count(nth, record.batch_size) - 1)

        check_quota(self._settings.key_quota, len(submission.ids), holdings.ids(owner), until_started)
