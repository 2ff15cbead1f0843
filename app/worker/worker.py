"""The worker: the daemon thread that claims whenever a slot is free."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterator
from uuid import uuid4

from ..config import Settings
from ..core import Clock, Wait, WorkerReport, this_process, timestamp
from ..daemon import Daemon
from ..errors import StoreUnavailable
from ..naming import release
from ..signals import Emitter
from ..store import Store
from .announcements import fields, named
from .announcer import Announcer
from .attempt import Attempts
from .call import Process
from .crew import Crew
from .streak import Failing

logger = logging.getLogger("flask_ingestion")

_MOMENT = 0.01
"""Seconds of real time between checks whether one thread still keeps up."""

_LAST_CALL = 1.0
"""Most seconds that a stop waits for the worker's thread once no batch runs; it may be in a store call."""

_SOME = 100
"""Batches that are put back in one step, which others of the store wait for."""

_LEVELS = {
    "paused": logging.INFO,
    "hold": logging.INFO,
    "slots": logging.INFO,
    "connections": logging.INFO,
    "abandoned threads": logging.CRITICAL,
}
"""Log level for each thing the queue waits on; the routine wait between two starts is only for debugging."""


class Worker(Daemon):
    """Claims from the store whenever a slot is free; its crew runs `process` on each batch.

    It holds no state that matters: the batches of a worker that vanished are recovered once their leases run out.
    """

    kind = "worker"
    loss = "nothing is dispatched any more"

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        clock: Clock,
        process: Process,
        emitter: Emitter,
    ) -> None:
        super().__init__(name, clock)
        self._store = store
        self._settings = settings
        self._crew = Crew(name, settings.concurrency, group=store.groups, on_idle=self._wake.set)
        self._announcer = Announcer(name)
        self._attempts = Attempts(store, settings, clock, process, emitter, self._crew, self._announcer)
        self._was_full = False
        self._looking = True
        self._waiting_on = ""
        self._tended_at = -math.inf
        self.id = str(uuid4())
        self._chores: Iterator[bool] = iter(())

    @property
    def state(self) -> str:
        """`off`, `running`, `stopping`, `stuck` while too many threads hang, or `dead` if its thread crashed."""
        with self._lock:
            if self._thread is None:
                return "off"
            if self._stopping.is_set():
                return "stopping"
            if self._died or not self._thread.is_alive():
                return "dead"
            return "stuck" if self._crew.is_stuck else "running"

    @property
    def abandoned(self) -> int:
        """How many threads of this process were given up after PROCESS_TIMEOUT and still hang."""
        return self._crew.abandoned

    @property
    def failing(self) -> Failing:
        """How many of the latest calls of this process failed in a row."""
        return self._attempts.streak.failing

    @property
    def running(self) -> int:
        """How many batches run in this process."""
        return len(self._crew)

    def resize(self) -> None:
        """Ask the store how many batches may run here at once, because that changed."""
        self._tended_at = -math.inf
        self._wake.set()

    def added(self) -> None:
        """Check the queue again if what was added could let a batch start sooner.

        The batch is chosen once the token arrives, so that wait is never cut short: waking a thread for every submit
        would cost more than the submit.
        """
        if self._looking:
            self._wake.set()

    def stop_claiming(self) -> None:
        """Claim nothing more; running batches continue."""
        self._stopping.set()
        self._crew.close()
        self._wake.set()

    def stop(self, grace: float) -> None:
        """Claim nothing more, give running batches `grace` seconds to end, and put back those that do not.

        Called from one of the worker's own threads (by a processor or a receiver), it cannot wait for that batch: it
        returns at once, and the worker ends with its running batches.
        """
        own = threading.current_thread()
        with self._lock:
            thread = self._thread
            self.stop_claiming()
            inside = own is thread or self._crew.has(own)
        if inside:
            return
        if thread is None:  # it ended by itself, once it was to claim nothing more
            self._announcer.stop(_LAST_CALL)
            return
        self._clock.wait(self._over, grace)
        if not self._stopping.is_set():
            return  # started again in the meantime
        late = [hand.slot.claim for hand in self._crew.give_up(lambda _: True)]
        for batch in (claim.batch for claim in late):
            logger.warning("%s did not end in time and is put back", named(batch), extra=fields(batch))
        for first in range(0, len(late), _SOME):
            self._attempts.put_back(*late[first : first + _SOME])
        self._wake.set()
        thread.join(_LAST_CALL)
        self._announcer.stop(_LAST_CALL)
        with self._lock:
            if self._thread is thread and not thread.is_alive():
                self._thread = None

    def _open(self) -> None:
        self._crew.open()

    def _may_end(self) -> bool:
        return not len(self._crew)

    def _report(self) -> WorkerReport:
        slots, (host, process) = self._settings.concurrency, this_process()
        return WorkerReport(self.id, host, process, release(), slots, len(self._crew), self._crew.abandoned)

    def _leave(self) -> None:
        self._tended_at = -math.inf  # it reports at once if it goes on
        try:
            self._store.leave(self.id)
        except StoreUnavailable as error:
            logger.info("the worker of %r is listed until its lease ends: %s", self._name, error)

    def _look(self) -> float | None:
        try:
            self._tend()
            has_chores = next(self._chores, False)
            wait = None if self._crew.closed else self._dispatch()
            if has_chores:
                wait = 0.0
            self._trouble = 0.0
        except StoreUnavailable as error:
            pause = self._next_try()
            logger.warning("the store cannot be reached, next try in %g s: %s", pause, error)
            return pause  # even where a heartbeat is due, for that needs the store too
        except BaseException:
            self._crew.close()
            raise
        now = self._clock.now()
        tend = max(0.0, self._tending_due(now) - now)
        return tend if wait is None else min(wait, tend)

    def _dispatch(self) -> float | None:
        """Fill the free slots; returns in how many seconds to check again, None to wait for a change."""
        free = self._crew.free
        if self._crew.is_stuck:
            self._say_wait("abandoned threads")
            return None
        if not free:
            self._was_full, self._looking = True, False
            self._say_wait("slots")
            return None
        if self._crew.is_brisk:
            self._stopping.wait(_MOMENT)
            return 0.0
        was_full, self._was_full = self._was_full, False
        # Set before the check, so that what is added during it wakes this thread.
        self._looking = True
        answer = self._store.claim(free, was_full=was_full)
        self._attempts.tell_served()
        if isinstance(answer, Wait):
            self._looking = answer.reason in ("empty", "answer", "retry", "paused")
            # What the upstream had no room for waits for one of its batches to end, as for a slot.
            self._was_full = answer.reason == "connections"
            self._say_wait(answer.reason, answer.until)
            return answer.seconds
        for claim in answer:
            self._attempts.run(claim)
        return 0.0

    def _say_wait(self, reason: str, until: float | None = None) -> None:
        """Log what the queue waits on, once, and until when it does, if known."""
        if reason != self._waiting_on:
            self._waiting_on = reason
            level = _LEVELS.get(reason, logging.DEBUG)
            end = "" if until is None else f" until {timestamp(until)}"
            logger.log(level, "%r waits on: %s%s", self._name, reason, end)

    def _tending_due(self, now: float) -> float:
        tend = self._tended_at + self._settings.lease / 3
        return min(tend, self._crew.late_at(self._settings.process_timeout, now))

    def _tend(self) -> None:
        """Report, time out attempts and renew leases, each when due, and begin to recover and forget what is old."""
        now, timeout = self._clock.now(), self._settings.process_timeout
        for hand in self._crew.give_up(lambda hand: hand.late_at(timeout, now) <= now):
            self._attempts.time_out(hand)
        if now < self._tended_at + self._settings.lease / 3:
            return
        # First, for it may be due again by what changes meanwhile.
        before, self._tended_at = self._tended_at, now
        try:
            if slots := self._crew.slots():
                self._store.renew([claim for slot in slots for claim in slot.claim.all])
            self._crew.resize(self._store.report(self._report()))
        except StoreUnavailable:
            self._tended_at = before  # the leases that were not renewed run on
            raise
        self._chores = self._small_steps()
        self._attempts.watch_pace()

    def _small_steps(self) -> Iterator[bool]:
        """Recover lost batches and forget old ingestions, of which there may be very many: a dispatch waits for one
        step at most. Yields True after each that may be followed by another.
        """
        while lost := self._store.recover():
            for claim, ingestion in lost:
                self._attempts.lose(claim, ingestion)
            yield True
        for _ in self._store.prune():
            yield True
