"""The state in memory and how it changes: queue, limiter and records."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
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
    BatchPlace,
    ByTurns,
    Call,
    Claim,
    Clock,
    Gate,
    InOrder,
    Line,
    Measured,
    Place,
    Priority,
    Prospect,
    Running,
    Status,
    Timeline,
    Turns,
    Wait,
    WorkerReport,
    admit,
    batch_count,
    caller_of,
    check_cancel,
    check_move,
    check_quota,
    check_redrive,
    may_be_early,
    outcome_of,
    rank_of,
    room_of,
    since_of,
    this_process,
)
from ..queue import Entry, ReadyQueue
from ..store import Outcome, ServedLog, Submission
from .aside import Aside
from .backlog import Backlog, Lane, place
from .callbacks import MemoryOutbox
from .fair import Fair, FairQueue
from .holdings import Holdings
from .identifiers import RandomIds
from .minutes import Minutes
from .record import Lease, Record
from .registry import Registry
from .serving import Serving


class MemoryState:
    """Every ingestion with its batches, the queue and the limiter.

    Not thread-safe by itself: its store calls it under the store's lock.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.gate = Gate.of(settings, clock.now())
        self.fair = Fair(settings) if settings.fair else None
        self.queue = self.fair.queue if self.fair else ReadyQueue[Record]()
        self.aside = Aside()
        self.backlog = self.fair.backlog if self.fair else Backlog(Lane)
        self.registry = Registry(settings.retention)
        self.outbox = MemoryOutbox(settings, clock)
        self.measured = Measured()
        self.leases: dict[tuple[str, int], Lease] = {}
        self.riders = 0
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
        self.served = ServedLog()
        self.serving = Serving(self, settings, self.served) if settings.fresh is not None else None
        self._to_ask = self.serving.to_ask if self.serving else self.first

    def record(self, ingestion_id: str) -> Record:
        """Raises UnknownIngestion."""
        return self.registry.get(ingestion_id, self._clock.now())

    def timeline(self, now: float) -> Timeline:
        gate = self.gate = self.gate.at(self._settings, now)
        return Timeline(
            now,
            gate.limiter,
            gate.hold_until,
            Running(self.running, self._started),
            self.slots(now),
            self.measured.service,
            gate.paused,
            self.backlog.total,
            self.aside,
            self.backlog.parked,
            may_be_early(self._settings),
        )

    @property
    def running(self) -> int:
        """How many calls are in process; a batch that rides has none of its own."""
        return len(self.leases) - self.riders

    def _started(self) -> Iterator[float]:
        """Yields when the calls in process started."""
        return (one.claim.claimed_at for one in self.leases.values() if one.rode_with is None)

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

    def line(self, priority: Priority, now: float, owner: str | None = None) -> tuple[int, Place, Turns | None]:
        """Returns how many batches wait before an ingestion created now, its place, and the turns it gets."""
        new = rank_of(self._settings, priority, now), self.order + 1
        if self.fair is None:
            return self.backlog.ahead(new), new, None
        turns = self.fair.turns(priority, owner, new, self.aside)
        return turns.urgent + self.backlog.lanes[priority].total, new, turns

    def prospect(self, record: Record) -> Prospect:
        """Returns what is counted for an unfinished ingestion's estimate."""
        where = place(record)
        started = [lease.claim.claimed_at for lease in self.leases.values() if lease.record is record]
        waiting, retrying, parked = record.waiting, record.tally[WAITING], record.parked
        if self.fair is None:
            return Prospect(where, self.backlog.ahead(where), waiting, retrying, started, parked)
        turns = self.fair.turns(record.priority, record.owner, where, self.aside)
        return Prospect(where, 0, waiting, retrying, started, parked, turns)

    def add(self, submission: Submission) -> tuple[Record, bool]:
        settings, key, now = self._settings, submission.key, self._clock.now()
        self.registry.forget(now)
        if key is not None and (known := self.registry.with_key(submission.owner, key, submission.fingerprint)):
            return known, False
        served = self.serving.leading(submission, self.order + 1, now) if self.serving else ()
        left = max(0, len(submission.ids) - len(served) * settings.batch_size)
        count = batch_count(left, settings.batch_size)
        timeline, (ahead, new, turns) = self.timeline(now), self.line(submission.priority, now, submission.owner)
        if count:
            self._check_quota(submission.owner, left, timeline)
            admit(settings, timeline, count=count, ahead=ahead, place=new, deadline=submission.deadline, turns=turns)
        self.order += 1
        since = since_of(settings, submission.fresh, now)
        record = Record(self._ids.next(), self.order, new[0], now, settings.batch_size, submission, since)
        record.parked = self.gate.pauses.cover(record.priority, record.owner)
        if count and not record.parked:
            record.estimated_completion = timeline.completion(ahead, count, new, turns)
        self.registry.add(record)
        if key is not None:
            self.registry.remember_key(submission.owner, key, submission.fingerprint, record)
        self.backlog.add(record)
        self.recount(record, 0)
        if self.serving:
            self.serving.serve_first(record, served, now)
        if count:
            self.line_up(Entry(record.rank, record.order, record.cursor, now, record), now)
        return record, True

    def line_up(self, entry: Entry[Record], now: float) -> None:
        """Put a batch in line, or where it belongs while it is parked or not due."""
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
            self.line_up(entry, now)

    def first_due(self, now: float) -> float | None:
        """Returns when the first batch in line is due, None if none is."""
        return now if self.first(now) else self.aside.next_due()

    def claim(self, limit: int, *, was_full: bool) -> list[Claim] | Wait:
        now = self._clock.now()
        self.gate = self.gate.at(self._settings, now)
        limiter, room = self.gate.limiter, room_of(self._settings, self.running)
        entry = self._to_ask(now)
        if entry is None and self.first(now):
            return Wait(0.0, "answer")  # more is known than one step serves
        due = now if entry else self.aside.next_due()
        if wait := self.gate.wait(now, due=due, slots=limit, room=room, waiting=self.backlog):
            return wait
        claims: list[Claim] = []
        while entry:
            token_at = limiter.ready_at
            if not limiter.take(now):
                break
            claim = self._claim_of(entry, now)
            self._start(entry, claim, token_at, was_full=was_full)
            claims.append(self._filled(claim, token_at, was_full=was_full) if self._settings.fill else claim)
            if self.serving:
                # Noted once the call is whole, for what its batches share is not in process elsewhere.
                self.serving.started(claims[-1])
            entry = self._to_ask(now) if len(claims) < min(limit, room) else None
        return claims

    def _claim_of(self, entry: Entry[Record], now: float) -> Claim:
        """Returns the claim by which an entry's batch would start now."""
        record, position = entry.owner, entry.position
        return record.claim(position, record.attempt(position) + 1, entry.due, now)

    def _filled(self, leader: Claim, token_at: float, *, was_full: bool) -> Claim:
        """Returns a claim with the batches that ride along; of an ingestion, only the next in line is looked at."""
        call = Call(self._settings, leader.batch)
        if not call.looks:
            return leader
        now, rode_with, riders, passed = leader.claimed_at, leader.batch.id, [], []
        while call.looks and (entry := self._to_ask(now)):
            claim = self._claim_of(entry, now)
            if call.takes(claim.batch):
                self._start(entry, claim, token_at, was_full=was_full, rode_with=rode_with)
                riders.append(claim)
            else:
                self.queue.pop()
                passed.append(entry)
        for entry in passed:
            self.queue.put(entry)
        return leader._replace(riders=tuple(riders)) if riders else leader

    def first(self, now: float) -> Entry[Record] | None:
        """Returns the most urgent due entry; drops cancelled ones on the way."""
        for due in self.aside.take(now):
            self.queue.put(due)
        while (entry := self.queue.first()) and entry.owner.cancelled:
            self.queue.pop()
        return entry

    def next_batches(self, now: float) -> Line[tuple[Record, int]]:
        """Returns the due batches, each as its record and position; `aside` then has no due ones."""
        self.first(now)
        awaiting = sorted(self.serving.awaiting()) if self.serving else []
        if not isinstance(self.queue, FairQueue):
            return InOrder(_batches(heapq.merge(self.queue.in_order(), awaiting)))
        entries: dict[tuple[Priority, str], Iterable[Entry[Record]]] = {**self.queue.by_caller()}
        for entry in awaiting:
            key = entry.owner.priority, caller_of(entry.owner.owner)
            entries[key] = heapq.merge(entries.get(key, ()), [entry])
        shares = {priority: one.copy() for priority, one in self.queue.shares.items()}
        aging = bool(self._settings.priority_aging)
        lines = {key: _batches(some) for key, some in entries.items()}
        return ByTurns(shares, lines, lambda batch: (batch[0].priority, caller_of(batch[0].owner)), aging=aging)

    def _start(
        self, entry: Entry[Record], claim: Claim, token_at: float, *, was_full: bool, rode_with: str | None = None
    ) -> None:
        record, position, now = entry.owner, entry.position, claim.claimed_at
        record.start(position, now)
        details, fresh = record.details, record.states[position] == NEW
        first = record.tally[NEW] == len(record.states)
        attempt = claim.batch.attempt
        if attempt != 1 or position in details.attempts:
            details.attempts[position] = attempt
        details.dues.pop(position, None)
        starts = record.starts(position)
        record.move(position, RUNNING)
        if first:
            self.registry.catalog.refile(record)
        if self.fair:
            self.fair.queue.take_turn()
        self.leave_line(entry)
        self.recount(record, -starts)
        self.leases[record.id, position] = Lease(record, claim, now + self._settings.lease, rode_with)
        limited_by = self.gate.limited_by(fresh=fresh, due=entry.due, token_at=token_at, was_full=was_full)
        if kept := self._settings.attempts_kept:
            made = Attempt(position, attempt, entry.due, now, limited_by, *this_process())
            details.log[position] = (*details.log.get(position, ()), made)[-kept:]
        if rode_with is None:
            minute = self.minutes.at(now)
            if not minute.starts:
                minute.interval = self.gate.steady_interval(self._settings, now)
            minute.start(record.priority, now - entry.due)
        else:
            self.riders += 1
        where = record.priority, entry.rank, entry.order
        self.dispatches.append(
            (now, entry.due, record.id, position, attempt, *where, limited_by, record.owner, rode_with)
        )

    def leave_line(self, entry: Entry[Record]) -> None:
        """Take the first entry out of line, and put the next batch of its ingestion there."""
        record, following = entry.owner, None
        if entry.position == record.cursor:
            record.cursor += 1
            if record.cursor < len(record.states):
                following = Entry(entry.rank, entry.order, record.cursor, entry.due, record)
        self.queue.pop(following)

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
        if lease.rode_with is not None:
            self.riders -= 1
        if self.serving:
            self.serving.ended(record, position, outcome, now)
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
        if not counted:
            details.attempts[position] = claim.batch.attempt - 1
            if isinstance(self.queue, FairQueue):
                self.queue.give_back(claim.batch.priority, record.owner)
        elif lease.rode_with is None:
            self.measured.took(now - claim.claimed_at)
        if state == WAITING and not record.cancelled:
            details.dues[position] = now + delay
            self.line_up(Entry(record.rank, record.order, position, now + delay, record), now)
            self.recount(record, record.starts(position))
        self.settle(record, now)
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
        self.recount(record, 0)
        self.settle(record, self._clock.now())
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
            self.line_up(Entry(record.rank, record.order, position, now, record), now)
        self.registry.failed -= len(failed)
        self.recount(record, len(failed))
        self.registry.catalog.refile(record)

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
            self.line_up(entry._replace(rank=rank), now)
        record.estimated_completion = None
        self.gate.order_since = now
        self.registry.catalog.refile(record)
        if self._holdings:
            self._holdings.move(record, before)

    def settle(self, record: Record, now: float) -> None:
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

    def recount(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches, and note how many ids of it wait."""
        self.backlog.change(record, by)
        if self._holdings:
            self._holdings.recount(record)

    def _check_quota(self, owner: str | None, count: int, timeline: Timeline) -> None:
        holdings = self._holdings
        if holdings is None or owner is None:
            return

        def until_started(ids: int) -> float | None:
            record, nth = holdings.reach(owner, ids)
            return timeline.until_started(self.prospect(record), batch_count(nth, record.batch_size) - 1)

        check_quota(self._settings.key_quota, count, holdings.ids(owner), until_started)


def _batches(entries: Iterable[Entry[Record]]) -> Iterator[tuple[BatchPlace, tuple[Record, int]]]:
    """Yields the batches that entries stand for, each with its place, as often as it will start."""
    return (
        ((entry.rank, entry.order, position), (entry.owner, position))
        for entry in entries
        if not entry.owner.cancelled
        for position in entry.owner.in_line(entry.position)
        for _ in range(entry.owner.starts(position))
    )
