"""The store and the threads of one queue: opened with its app, started, stopped, forked, and dropped with it."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from .callbacks import Courier
from .config import Settings
from .core import Answer, Clock, Id, Stats, SystemClock
from .errors import IngestError, StoreUnavailable
from .processors import Processor, encode_results, simulate
from .signals import Emitter, Sender, ingestion_finished
from .store import Forkable, Store
from .worker import Drain, Sweeper, Worker

logger = logging.getLogger("flask_ingestion")

_LAST_STEP = 5.0
"""Seconds that a step of a sweep has to end when the service stops."""

_LAST_POST = 1.0
"""Seconds that a callback on its way has to be answered when the service stops."""


class Collector(Protocol):
    """What gathers the metrics of an instance, as prometheus-client does."""

    def collect(self) -> Iterable[Any]: ...


class Parts(NamedTuple):
    """The store of a queue and its threads, and what cleans up after them when its app is dropped."""

    store: Store
    worker: Worker
    sweeper: Sweeper
    courier: Courier | None
    clean_up_when_dropped: weakref.finalize[Any, Any]


class Lifecycle:
    """The settings, store, worker, sweeper and courier (None where nobody is told of an end) of one queue in one app.

    `find_processor` is called for every batch; if it returns None, the work is only simulated. `autostart` says whether
    this process dispatches without an explicit start, and `is_tested`, asked each time, whether it is a host's test, in
    which nothing runs by itself. The store is opened by `open`, or at its first use: a forked child may have none. Its
    threads and its store end with it when its app is dropped.
    """

    def __init__(
        self,
        name: str,
        app: Sender,
        settings: Settings,
        clock: Clock,
        *,
        open_store: Callable[[], Store],
        find_processor: Callable[[], Processor | None],
        autostart: bool,
        is_tested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self.emitter = Emitter(name, app, lambda: self.is_eager)
        self.collector: Collector | None = None
        self.find_processor = find_processor
        self._open_store = open_store
        self._autostart = autostart
        self._is_tested = is_tested
        self._active = False
        self._is_asked = False
        self._has_warned = False
        if isinstance(clock, SystemClock) and is_tested():
            clock.stand_still()
        if settings.tells:
            self.emitter.observe(ingestion_finished, lambda **_: self._wake_courier())
        if settings.eager:
            logger.warning("%s is set: %r runs nothing by itself", Settings.key_of(name, "eager"), name)
        self._renew()

    def _renew(self) -> None:
        """Begin anew in this process, with nothing open."""
        self.shutting_down = False
        self._lock = threading.Lock()
        self._parts: Parts | None = None

    def open(self) -> Parts:
        """Open the store, unless this process already has; returns it, and the threads that are not yet started.

        Raises ConfigError for a store that the settings name wrongly.
        """
        if (parts := self._parts) is None:
            with self._lock:
                parts = self._parts = self._parts or self._opened()
        return parts

    def _opened(self) -> Parts:
        store = self._open_store()
        worker = Worker(self.name, store, self.settings, self.clock, self._run_processor, self.emitter)
        sweeper = Sweeper(self.name, store, self.settings.lease, self.clock, self.emitter, worker.wake)
        courier = Courier(self.name, store.outbox, self.settings, self.clock) if self.settings.tells else None
        alarms = [one.alarm for one in (worker, sweeper, courier) if one]
        clean_up = weakref.finalize(self, _clean_up_elsewhere, store, worker.id, *alarms)
        clean_up.atexit = False
        return Parts(store, worker, sweeper, courier, clean_up)

    @property
    def store(self) -> Store:
        """The state of the queue."""
        return self.open().store

    @property
    def worker(self) -> Worker:
        """The worker of this process, whether it runs or not."""
        return self.open().worker

    @property
    def sweeper(self) -> Sweeper:
        """What carries out sweeps in this process."""
        return self.open().sweeper

    @property
    def courier(self) -> Courier | None:
        """What tells of ends in this process, None where nobody is told."""
        return self.open().courier

    @property
    def would_lose(self) -> bool:
        """Whether this process holds what no other knows of; not so of a host's test."""
        return self._parts is not None and not self._parts.store.durable and not self.is_eager

    @property
    def running(self) -> int:
        """How many batches run in this process."""
        return self._parts.worker.running if self._parts else 0

    def stats(self) -> Stats:
        """Returns the state of the queue, and whether any worker is there: this process's, or one that reported."""
        stats = self.store.stats()
        if self.worker.state == "running":
            return stats
        others = (one for one in self.store.workers() if one.id != self.worker.id)
        return stats.without_worker() if all(one.is_stuck for one in others) else stats

    @property
    def simulates(self) -> bool:
        """Whether this process works without a processor: ids are completed, and nothing is fetched or sent."""
        return self.worker.state != "off" and self.find_processor() is None

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

    @property
    def is_eager(self) -> bool:
        """Whether this is a host's test, whose `run_until_idle` alone runs anything, and no worker was asked for."""
        return not self._is_asked and self._is_tested()

    def run_until_idle(self, *, raises: bool = False, seconds: float | None = None) -> int:
        """Run everything that waits in this thread, while time jumps to each start; returns how many attempts ran.

        Sweeps come first. Batches run one after the other, in the order, at the times, with the holds and retries that
        they would have with a worker, and take no time unless their processor advances the clock. With `seconds`, only
        what starts within them. With `raises`, what a processor raised is raised here, after it counted as a failed
        attempt. Raises RuntimeError outside a test, and while a worker runs.
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

    def before_fork(self) -> None:
        """Have the store idle while the process forks."""
        if self._parts and isinstance(self._parts.store, Forkable):
            self._parts.store.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the store continue."""
        if self._parts and isinstance(self._parts.store, Forkable):
            self._parts.store.after_fork_in_parent()

    def after_fork_in_child(self) -> bool:
        """Share nothing with the parent, whose threads are not here, and open nothing: most children never serve.

        Returns whether one that does, by a request to its app or a submission, then dispatches: its parent did.
        """
        if self._parts:
            self._parts.clean_up_when_dropped.detach()
            if isinstance(self._parts.store, Forkable):
                self._parts.store.disown()
        self._renew()
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

    def _run_processor(self, ids: Sequence[Id]) -> Sequence[Answer]:
        processor = self.find_processor() or simulate
        own = list(ids)
        return encode_results(ids, processor(own), own)

    def _wake_courier(self) -> None:
        if self.courier:
            self.courier.wake()


def _clean_up_elsewhere(*left: Any) -> None:
    """Clean up in another thread: the garbage collector may come along inside the very locks that this takes."""
    start_new_thread(_clean_up, left)


def _clean_up(store: Store, worker_id: str, *alarms: Callable[[], None]) -> None:
    """End what an app that was dropped leaves behind: its threads, its entry among the workers, its connections."""
    for alarm in alarms:
        alarm()
    try:
        store.leave(worker_id)
    except StoreUnavailable as error:
        logger.info("the worker of a dropped app is listed until its lease ends: %s", error)
    finally:
        store.close()
