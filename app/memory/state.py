"""The state in memory and how it changes: queue, limiter and records."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from typing import Any

from ..config import Settings
from ..core import (
    COMPLETED,
    FAILED,
    MISSES,
    NEW,
    WAITING,
    Attempt,
    Call,
    Claim,
    Clock,
    Gate,
    Need,
    ServedLog,
    Status,
    Wait,
    WorkerReport,
    moving_mean,
    outcome_of,
    room_of,
    this_process,
)
from ..outcomes import Ended, Outcome
from ..queue import Entry, ReadyQueue
from .aside import Aside
from .audits import AuditLog
from .backlog import Backlog, Lane
from .callbacks import MemoryOutbox
from .fair import Fair
from .holdings import Holdings
from .identifiers import RandomIds
from .leases import Leases
from .minutes import Minutes
from .record import Record
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
        self.audits = AuditLog(settings.audit_log, clock)
        self.outbox = MemoryOutbox(settings, clock, self.audits)
        self.service = 0.0
        self.dispatched = 0
        self.misses: deque[float] = deque(maxlen=MISSES)
        self.leases = Leases(settings.lease)
        self.dispatches: deque[tuple[Any, ...]] = deque(maxlen=settings.dispatch_log)
        self.minutes = Minutes()
        self.parked: dict[Record, list[Entry[Record]]] = {}
        self.workers: dict[str, WorkerReport] = {}
        self.order = 0
        self.settings = settings
        self._clock = clock
        self.ids = RandomIds()
        self.holdings = Holdings() if settings.key_quota else None
        self.served = ServedLog()
        self.serving = Serving(self) if settings.fresh is not None else None

    def record(self, ingestion_id: str) -> Record:
        """Raises UnknownIngestion."""
        return self.registry.get(ingestion_id, self._clock.now())

    def present(self, now: float) -> list[WorkerReport]:
        """Returns the workers that reported within a lease."""
        return [self.workers[worker]._replace(slots=slots) for worker, slots in self._slots_of_each(now).items()]

    def _slots_of_each(self, now: float) -> dict[str, int]:
        concurrency, settings, found = self.gate.concurrency, self.settings, {}
        for one in self.workers.values():
            if one.seen_at > now - settings.lease:
                found[one.id] = concurrency.of(one, settings)
        return found

    def slots(self, now: float) -> int:
        """Returns how many batches may run at once, in all workers."""
        slots = sum(self._slots_of_each(now).values()) or self.gate.concurrency.each or self.settings.concurrency
        return min(slots, room_of(self.settings, 0))

    def line_up(self, entry: Entry[Record], now: float) -> None:
        """Put a batch in line, or where it belongs while it is parked or not due."""
        if entry.owner.parked:
            self.parked.setdefault(entry.owner, []).append(entry)
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
        entries = self.queue.remove(changed) + self.aside.remove(changed)
        for record in changed:
            entries += self.parked.pop(record, ())
            self.backlog.park(record, parked=not record.parked)
        for entry in entries:
            self.line_up(entry, now)

    def first_due(self, now: float) -> float | None:
        """Returns when the first batch in line is due, None if none is."""
        return now if self.first(now) else self.aside.next_due()

    def claim(self, limit: int, now: float, *, was_full: bool) -> list[Claim] | Wait:
        self.gate = self.gate.at(self.settings, now)
        limiter, room = self.gate.limiter, room_of(self.settings, self.leases.calls)
        entry, need = self._next(now)
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
            claim = entry.owner.claim(entry.position, entry.due, now, need)
            self._start(entry, need, claim, token_at, was_full=was_full)
            claims.append(self._filled(claim, token_at, was_full=was_full) if self.settings.fill else claim)
            if self.serving:
                # Noted once the call is whole, for what its batches share is not in process elsewhere.
                self.serving.started(claims[-1])
            entry, need = self._next(now) if limit > len(claims) < room else (None, None)
        return claims

    def _next(self, now: float) -> tuple[Entry[Record] | None, Need | None]:
        """Returns the most urgent due entry that needs a call, and with FRESH what it needs."""
        if self.serving:
            return self.serving.to_ask(now) or (None, None)
        return self.first(now), None

    def _filled(self, leader: Claim, token_at: float, *, was_full: bool) -> Claim:
        """Returns a claim with the batches that ride along; of each ingestion, only the next in line is considered."""
        call = Call(self.settings, leader.batch)
        if not call.looks:
            return leader
        now, rode_with, riders, passed = leader.claimed_at, leader.batch.id, [], []
        with self.fair.queue.filling() if self.fair else nullcontext():
            while call.looks:
                entry, need = self._next(now)
                if entry is None:
                    break
                claim = entry.owner.claim(entry.position, entry.due, now, need)
                if call.takes(claim.batch):
                    self._start(entry, need, claim, token_at, was_full=was_full, rode_with=rode_with)
                    riders.append(claim)
                else:
                    self.queue.pop()
                    passed.append(entry)
        for entry in passed:
            self.queue.put(entry)
        return leader._replace(riders=tuple(riders)) if riders else leader

    def first(self, now: float) -> Entry[Record] | None:
        """Returns the most urgent due entry; puts what has fallen due into the line, and drops cancelled ones."""
        for due in self.aside.take(now):
            self.queue.put(due)
        while (entry := self.queue.first()) and entry.owner.cancelled:
            self.queue.pop()
        return entry

    def _start(
        self,
        entry: Entry[Record],
        need: Need | None,
        claim: Claim,
        token_at: float,
        *,
        was_full: bool,
        rode_with: str | None = None,
    ) -> None:
        (rank, order, position, due, record), now = entry, claim.claimed_at
        if self.serving and need:
            self.serving.learn(entry, need, now)
        fresh, first = record.states[position] == NEW, record.tally[NEW] == len(record.states)
        attempt, starts = claim.batch.attempt, record.starts(position)
        record.start(position, attempt, now)
        if first:
            self.registry.catalog.refile(record, Status.TRIGGERED)
        if self.fair:
            self.fair.queue.take_turn()
        self.leave_line(entry)
        self.recount(record, -starts)
        self.leases.add(record, claim, rode_with)
        limited_by = self.gate.limited_by(fresh=fresh, due=due, token_at=token_at, was_full=was_full)
        if kept := self.settings.attempts_kept:
            made, log = Attempt(position, attempt, due, now, limited_by, *this_process()), record.details.log
            log[position] = (*log.get(position, ()), made)[-kept:]
        if rode_with is None:
            minute = self.minutes.at(now)
            if not minute.starts:
                minute.interval = self.gate.steady_interval(self.settings, now)
            minute.start(record.priority, now - due)
        self.dispatched += 1
        self.dispatches.append(
            (now, due, record.id, position, attempt, record.priority, rank, order, limited_by, record.owner, rode_with)
        )

    def leave_line(self, entry: Entry[Record]) -> None:
        """Take the first entry out of line, and put the next batch of its ingestion there."""
        (rank, order, position, due, record), following = entry, None
        if position == record.cursor:
            record.cursor += 1
            if record.cursor < len(record.states):
                following = Entry(rank, order, record.cursor, due, record)
        self.queue.pop(following)

    def end(self, claim: Claim, outcome: Outcome, now: float) -> Ended | None:
        """End a claim; returns what that led to, None if it is no longer the latest of its batch."""
        lease = self.leases.end(claim)
        if lease is None:
            return None
        state, error, results, delay, counted = outcome
        record, position = lease.record, claim.batch.position
        if self.serving:
            self.serving.ended(record, position, outcome, now)
        details, answers = record.details, None
        if state == FAILED or position in details.answers:
            split = self.settings.split_failed
            state, error, answers = record.answers(position).after(state, error, results, split=split)
        record.move(position, state, answers)
        if state == FAILED:
            self.registry.failed += 1
            self.minutes.at(now).failed += 1
            self.registry.catalog.refile(record)
        if error is not None:
            details.errors[position] = error
        elif state == COMPLETED:
            details.errors.pop(position, None)
            details.results[position] = results if answers is None else record.complete(position)
        if log := details.log.get(position):
            made = log[-1]._replace(ended_at=now, outcome=outcome_of(state, counted=counted), error=error)
            details.log[position] = (*log[:-1], made)
        if not counted:
            details.attempts[position] = claim.batch.attempt - 1
            if self.fair and lease.rode_with is None:
                self.fair.queue.give_back(claim.batch.priority, record.owner)
        elif lease.rode_with is None:
            self.service = moving_mean(self.service, now - claim.claimed_at, self.dispatched - self.leases.calls)
        if state == WAITING:
            if state != outcome.state:
                details.attempts[position] = 0
            if not record.cancelled:
                self._again(record, position, now + delay, now)
        else:
            details.times[2 * position + 1] = now
        self.settle(record, now)
        return Ended(record.snapshot(), state, error)

    def _again(self, record: Record, position: int, due: float, now: float) -> None:
        """Put a batch in line that goes again once it is due."""
        record.details.dues[position] = due
        self.line_up(Entry(record.rank, record.order, position, due, record), now)
        self.recount(record, record.starts(position))

    def settle(self, record: Record, now: float) -> None:
        """Record the end of an ingestion that has nothing left to do."""
        if not record.finished:
            return
        if record.estimated_completion is not None and not record.cancelled:
            miss = now - record.estimated_completion
            self.misses.append(miss)
            self.minutes.at(now).miss(miss)
        self.backlog.remove(record)
        self.registry.catalog.refile(record)
        self.registry.end(record, now)
        self.outbox.add(record)

    def recount(self, record: Record, by: int) -> None:
        """Change an ingestion's count of waiting batches, and note how many ids of it wait."""
        self.backlog.change(record, by)
        if self.holdings:
            self.holdings.recount(record)
