"""The store and the threads of one queue in one app: opened at first use, not kept in forks, dropped with the app."""

from __future__ import annotations

import logging
import threading
import weakref
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from .callbacks import Courier
from .config import Settings
from .core import Answer, Clock, Id, SystemClock
from .errors import StoreUnavailable
from .processors import Processor, encode_results, simulate
from .signals import Emitter, Sender, ingestion_finished
from .store import Forkable, Store
from .worker import Sweeper, Worker

logger = logging.getLogger("flask_ingestion")


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


class Assembly:
    """The settings, store, worker, sweeper and courier (None where there are no receivers) of one queue in one app.

    `find_processor` is called for every batch; if it returns None, the work is only simulated. `autostart` says whether
    this process dispatches without an explicit start, and `is_tested`, asked each time, whether it is a host's test.
    The store is opened by `open`, or at its first use: a forked child may have none. Its threads and its store end with
    it when its app is dropped.
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
        self._is_asked = False
        if isinstance(clock, SystemClock) and is_tested():
            clock.stand_still()
        if settings.eager:
            logger.warning("%s is set: %r runs nothing by itself", Settings.key_of(name, "eager"), name)
        if settings.has_receivers:
            self.emitter.observe(ingestion_finished, lambda **_: self._wake_courier())
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
        courier = Courier(self.name, store.outbox, self.settings, self.clock) if self.settings.has_receivers else None
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
        """What sends callbacks in this process, None where there are no receivers."""
        return self.open().courier

    @property
    def would_lose(self) -> bool:
        """Whether what is queued would be lost with this process; not so in a host's test."""
        return self._parts is not None and not self._parts.store.durable and not self.is_eager

    @property
    def running(self) -> int:
        """How many batches run in this process."""
        return self._parts.worker.running if self._parts else 0

    @property
    def is_eager(self) -> bool:
        """Whether this is a host's test in which `run_until_idle` alone runs anything: nobody asked for a worker."""
        return not self._is_asked and self._is_tested()

    def before_fork(self) -> None:
        """Have the store idle while the process forks."""
        if self._parts and isinstance(self._parts.store, Forkable):
            self._parts.store.before_fork()

    def after_fork_in_parent(self) -> None:
        """Let the store continue."""
        if self._parts and isinstance(self._parts.store, Forkable):
            self._parts.store.after_fork_in_parent()

    def _share_nothing(self) -> None:
        """In a forked child, leave alone what belongs to the parent, whose threads are not here."""
        if self._parts:
            self._parts.clean_up_when_dropped.detach()
            if isinstance(self._parts.store, Forkable):
                self._parts.store.disown()
        self._renew()

    def _run_processor(self, ids: Sequence[Id]) -> Sequence[Answer]:
        processor = self.find_processor() or simulate
        own = list(ids)
        return encode_results(ids, processor(own), own)

    def _wake_courier(self) -> None:
        if self.courier:
            self.courier.wake()


def _clean_up_elsewhere(*left: Any) -> None:
    """Clean up in another thread: the garbage collector may run while the very locks that this takes are held."""
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
