"""The store in a database: durable in a SQLite file, shared by any number of processes on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from ..config import Settings
from ..core import Claim, Clock, Gate, Ingestion, Priority, Steering, Wait, WorkerReport, hashes_of, room_of, steer
from ..errors import StoreUnavailable
from ..outcomes import Ended, Outcome
from ..store import Store, Submission
from . import audits, claims, controls, ends, known, leases, minutes, parking, retention, workers
from .address import parse_url
from .admission import add
from .callbacks import SQLOutbox
from .database import Database
from .finder import SQLFinder
from .ids import pack
from .instance import Instance
from .reading import SQLReading
from .sweeps import SQLSweeps
from .turns import Turn, Turns

T = TypeVar("T")

_BIG = 1_000_000
"""From this many bytes of ids on, a submit takes a turn alone, and SQLite's log is emptied after it."""


class SQLStore(SQLReading, Store):
    """Every call is one transaction; locking the queue's row first serializes all writers.

    Time is the database's, or the `clock`'s if one is given, as in tests.
    """

    durable = True
    groups = True

    def __init__(self, settings: Settings, clock: Clock | None = None, name: str = "ingest") -> None:
        url = parse_url(settings.store, Settings.key_of(name, "store"))
        self._settings = settings
        self._database = Database(url, settings.store_pool, settings.store_timeout)
        now = clock.now if clock else None
        if now is None and self._database.is_sqlite:
            # SQLite has no clock but the machine's, and all processes that share a file share a machine.
            now = time.time
        super().__init__(Instance(self._database, settings, now, name))
        self._turns = Turns(self._database, self._instance)
        self.served = self._turns.served
        self.outbox = SQLOutbox(self._database, self._instance, self._turns)
        self.sweeps = SQLSweeps(self._database, self._instance, self._turns)
        self.finder = SQLFinder(self._instance)
        self._waited = False

    def prepare(self) -> None:
        """Make the tables, as the first of any other calls does. Raises ConfigError and StoreUnavailable."""
        self._instance.prepare()

    def add(self, submission: Submission) -> tuple[Ingestion, bool]:
        packed = pack(submission.ids)
        big = len(packed) > _BIG
        hashed = hashes_of(submission.ids) if self._settings.find_ids else None
        added = self._turns.take(lambda turn: add(turn, submission, packed, hashed), alone=big)
        if big:
            self._database.tidy()
        return added

    def claim(self, limit: int, *, was_full: bool = False) -> list[Claim] | Wait:
        if self._waited and not self.trouble and (wait := self._glance(limit)):
            return self._polled(wait)
        answer = self._turns.share(claims.claim, claims.Request(limit, was_full))
        self._waited = isinstance(answer, Wait)
        return self._polled(answer) if isinstance(answer, Wait) else answer

    def _glance(self, limit: int) -> Wait | None:
        """Returns why nothing can be claimed, as far as one query without a lock can tell."""
        queue, now = self._instance.look()
        settings = self._settings
        if queue.total and (queue.total == queue.lined or settings.fresh is not None):
            # Finding out whether a retry is due, or an id of what is next is known, takes another query.
            return None
        due, room = now if queue.total else None, room_of(settings, queue.running)
        gate = queue.gate(settings, now)
        wait = gate.wait(now, due=due, slots=limit, room=room, waiting=queue)
        # After the clock was set back, the next token is so far from now until a turn notes that it is not further.
        return None if wait and wait.reason == "token" and not queue.has_limiter_of(gate) else wait

    def _polled(self, wait: Wait) -> Wait:
        """Limit a wait to the interval at which this process checks for work from others."""
        if wait.reason in ("slots", "token"):  # neither ends sooner by what others do
            return wait
        return wait._replace(seconds=self._instance.polled(wait.seconds))

    def renew(self, claims: Sequence[Claim]) -> None:
        # The dispatch waits for one step at most.
        for first in range(0, len(claims), leases.SOME):
            some = claims[first : first + leases.SOME]
            self._turns.take(partial(leases.renew, claims=some, lease=self._settings.lease))

    def recover(self) -> list[tuple[Claim, Ingestion]]:
        queue, now = self._instance.look()
        if known.is_any_left_behind(self._database, queue):
            self._turns.take(known.wake_left_behind)
        if self._database.glance(leases.EXPIRED, {"this": queue.instance, "now": now}) is None:
            return []
        return self._turns.take(leases.recover)

    def end(self, claim: Claim, outcome: Outcome) -> Ended | None:
        return self._turns.share(ends.end, (claim, outcome))

    def end_together(self, ended: Sequence[tuple[Claim, Outcome]]) -> list[Ended | None]:
        return self._turns.take(lambda turn: ends.end(turn, ended))

    def proceed(
        self, claim: Claim, outcome: Outcome, *, was_full: bool = False
    ) -> tuple[Ended | None, list[Claim] | Wait]:
        return self._turns.share(self._proceed, (claim, outcome, claims.Request(1, was_full)))

    def _proceed(
        self, turn: Turn, requests: Sequence[tuple[Claim, Outcome, claims.Request]]
    ) -> list[tuple[Ended | None, list[Claim] | Wait]]:
        ended = ends.end(turn, [(claim, outcome) for claim, outcome, _ in requests])
        claimed = claims.claim(turn, [request for _, _, request in requests])
        return list(zip(ended, claimed, strict=True))

    def report(self, worker: WorkerReport) -> int:
        self._instance.worker = worker.id
        return self._turns.take(lambda turn: workers.report(turn, worker))

    def leave(self, worker_id: str) -> None:
        if self._instance.is_prepared:
            self._turns.take(lambda turn: workers.leave(turn, worker_id))

    def hold(self, seconds: float) -> None:
        self._change(lambda gate, now: gate.hold(now + seconds))

    def slow_down(self, claim: Claim) -> float | None:
        return self._change(lambda gate, now: gate.slow_down(self._settings, claim.claimed_at, now))

    def cancel(self, ingestion_id: str, by: str | None = None) -> tuple[Ingestion, bool]:
        def cancelled(turn: Turn) -> tuple[Ingestion, bool]:
            return controls.cancel(turn, self._instance.find_in(turn, ingestion_id), by)

        return self._turns.take(cancelled)

    def redrive(self, ingestion_id: str, by: str | None = None) -> Ingestion:
        def redriven(turn: Turn, after: int) -> controls.Part:
            return controls.redrive(turn, self._instance.find_in(turn, ingestion_id), by, after)

        rest: int | None = -1
        while rest is not None:
            ingestion, _, rest = self._turns.take(partial(redriven, after=rest))
        return ingestion

    def move(self, ingestion_id: str, priority: Priority, by: str | None = None) -> Ingestion:
        def moved(turn: Turn) -> Ingestion:
            return controls.move(turn, self._instance.find_in(turn, ingestion_id), priority, by)

        return self._turns.take(moved)

    def steer(self, action: str, steering: Steering, by: str | None) -> bool:
        def steered(turn: Turn) -> tuple[bool, bool]:
            gate = turn.gate()
            pauses = gate.pauses
            before, after = steer(gate, self._settings, turn.now, steering)
            minutes.keep(turn, gate)
            workers.count(turn)
            if after:
                audits.note(turn, by, action, "", before, after)
            return bool(after), bool(gate.pauses or pauses)

        changed, more = self._turns.take(steered)
        if more:
            for _ in parking.rearranging(self._instance, self._turns):
                pass
        return changed

    def _change(self, change: Callable[[Gate, float], T]) -> T:
        def changed(turn: Turn) -> T:
            gate = turn.gate()
            found = change(gate, turn.now)
            minutes.keep(turn, gate)
            return found

        return self._turns.take(changed)

    def prune(self) -> Iterator[int]:
        queue, now = self._instance.look()
        more = retention.has_old(self._database, queue, self._settings.forgotten(now))
        while more:
            count, more = self._turns.take(retention.prune)
            yield count
        if queue.pauses() or queue.parked:
            for _ in parking.rearranging(self._instance, self._turns):
                yield 0
        if last := known.old(self._database, self._settings, queue, now):  # without FRESH, what it left behind
            while known.are_left(self._database, last):
                self._turns.take(lambda turn: known.prune(turn, last))
                yield 0
        while self.outbox.prune():
            yield 0

    @property
    def trouble(self) -> StoreUnavailable | None:
        return self._turns.trouble

    def ping(self) -> None:
        self._instance.look()
        if self.trouble:
            self._turns.take(lambda _: None)

    def before_fork(self) -> None:
        self._database.before_fork()

    def after_fork_in_parent(self) -> None:
        self._database.after_fork_in_parent()

    def disown(self) -> None:
        self._database.abandon()

    def close(self) -> None:
        self._database.close()
