"""When one queue in one app dispatches: started, stopped, followed into a forked child, and in a test run by hand."""

from __future__ import annotations

import logging
import math

from .assembly import Assembly
from .config import Settings
from .core import SystemClock
from .errors import IngestError
from .worker import Drain

logger = logging.getLogger("flask_ingestion")

_LAST_STEP = 5.0
"""Seconds that a step of a sweep has to end when the service stops."""

_LAST_POST = 1.0
"""Seconds that a callback on its way has to be answered when the service stops."""


class Lifecycle(Assembly):
    """An Assembly with its threads started and stopped. In a host's test nothing runs by itself."""

    _active = False
    _has_warned = False

    def ensure_started(self) -> None:
        """Start dispatching if this process should and has not been stopped."""
        if self.is_eager:
            self._stand_still()
        elif self._autostart:
            try:
                self._start()
            except RuntimeError as error:
                logger.error(
                    "the worker of %r could not be started, the next request tries again: %s", self.name, error
                )

    def follow_parent(self) -> None:
        """In a forked child that turns out to serve, start dispatching as its parent did.

        The app's own pages must not depend on the queue, whose requests try again.
        """
        try:
            self.ensure_started()
        except IngestError as error:
            logger.error("%r could not be opened in this process: %s", self.name, error)

    def start(self) -> None:
        """Start dispatching, unless already running; a worker that died starts anew.

        Raises RuntimeError if no thread can be started.
        """
        self._is_asked = True
        if isinstance(self.clock, SystemClock):
            self.clock.go_on()
        self._start()

    def _start(self) -> None:
        store, worker, sweeper, courier, _ = self.open()
        with self._lock:
            worker.start()
            if courier:
                courier.start()
            if store.durable or store.sweeps.latest(1):
                sweeper.start()
            self._active, self._autostart = True, False
        if self.find_processor() is None:
            logger.warning("no processor is set for %r: ids are only simulated, nothing is fetched or sent", self.name)

    def run_until_idle(self, *, raises: bool = False, seconds: float | None = None) -> int:
        """Run everything that waits in this thread, while time jumps to each start; returns how many attempts ran.

        Sweeps come first. Batches run one after the other, in the order, at the times, with the holds and retries that
        they would have with a worker, and take no time unless their processor advances the clock. A retry waits as long
        as it may. With `seconds`, only what starts within them. With `raises`, what a processor raised is raised here,
        after it counted as a failed attempt. Raises RuntimeError outside a test, and while a worker runs.
        """
        clock = self._clock_of_test()
        if seconds is None:
            return self.run_until(math.inf, raises=raises)
        end = clock.now() + seconds
        count = self.run_until(end, raises=raises)
        clock.advance(max(0.0, end - clock.now()))
        return count

    def run_until(self, end: float, *, raises: bool = False) -> int:
        """Run as `run_until_idle` does what starts up to `end`, in epoch seconds; time stays at the latest start."""
        clock = self._clock_of_test()
        self.sweeper.carry_out()
        drain = Drain(self.name, self.store, self.settings, clock, self._run_processor, self.emitter)
        return drain.run(raises=raises, end=end)

    def _clock_of_test(self) -> SystemClock:
        """Returns the clock, which stands still. Raises RuntimeError where `run_until_idle` cannot be."""
        if not self.is_eager:
            running = "stop() its worker first" if self._active else "it needs Flask's TESTING, or EAGER"
            raise RuntimeError(f"run_until_idle() of {self.name!r} is for tests: {running}.")
        self._stand_still()
        if not isinstance(self.clock, SystemClock):
            raise RuntimeError(f"{self.name!r} has a clock of its own, which run_until_idle() cannot advance.")
        return self.clock

    def _stand_still(self) -> None:
        """In a test, stop what started before it was known to be one, and have time stand still."""
        if self._active:
            self.stop(0)
        if not isinstance(self.clock, SystemClock) or self.clock.stands_still:
            return
        self.clock.stand_still()
        if self.store.durable:  # it was opened with the time of its database
            parts = self.open()
            parts.clean_up_when_dropped.detach()
            parts.store.close()
            self._renew()

    def begin_shutdown(self) -> None:
        """Prepare for the end of the process: claim nothing more, and accept nothing that would be lost with it."""
        self.shutting_down = True
        self._stop_claiming()

    def _stop_claiming(self) -> None:
        with self._lock:
            self._active = self._autostart = False
            if self._parts:
                self._parts.worker.stop_claiming()

    def stop(self, grace: float | None = None) -> None:
        """Stop dispatching; running batches have `grace` seconds to end (None: SHUTDOWN_GRACE). Idempotent."""
        self._is_asked = False
        self._stop_claiming()
        if self._parts is None:
            return
        _, worker, sweeper, courier, _ = self._parts
        worker.stop(self.settings.shutdown_grace if grace is None else grace)
        sweeper.stop(_LAST_STEP)
        if courier:
            courier.stop(_LAST_POST)

    def after_fork_in_child(self) -> bool:
        """Share nothing with the parent, and open nothing, for most children never serve.

        Returns whether the parent dispatched; then so does a child that serves, from the first request to its app, or
        the first submission, on.
        """
        self._share_nothing()
        followed, self._active = self._active, False
        self._autostart = self._autostart or followed
        return followed

    def warn_of_loss(self) -> None:
        """Log, once, that what this process accepts into memory waits for a worker that it does not have."""
        if self._has_warned or self._active or not self.would_lose:
            return
        self._has_warned = True
        logger.warning(
            "%r queues in memory, and this process runs no worker: what waits is lost at its end, unless start() is "
            "called; %s can name a database that another process works on",
            self.name,
            Settings.key_of(self.name, "store"),
        )

    def warn_of_others(self) -> None:
        """Log that other processes may answer requests, too, and know nothing of a queue in this one's memory."""
        if not self.is_eager:
            logger.warning(
                "%r queues in memory, and its server says that several processes may answer requests: each of them has "
                "a queue and a rate of its own, and knows no ingestion of another's; %s can name a database that they "
                "share",
                self.name,
                Settings.key_of(self.name, "store"),
            )
