"""The sweeper: the daemon thread that carries out sweeps, a step at a time."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from ..core import Clock, Sweep, steps
from ..errors import StoreUnavailable
from ..signals import Emitter
from ..store import Store
from .attempt import announce

logger = logging.getLogger("flask_ingestion")

_TEND = 5.0
"""Seconds after which a sweep that found nothing in the meantime says how far it is."""

_TROUBLE_MAX = 10.0


class Sweeper:
    """Works on one sweep at a time, beside the worker. Each step is one small call of the store, so a dispatch waits
    for one step at most. Another process goes on with a sweep whose process has been gone for `lease` seconds.

    It announces what a cancel ended, and calls `wake` for the worker after each step.
    """

    def __init__(
        self, name: str, store: Store, lease: float, clock: Clock, emitter: Emitter, wake: Callable[[], None]
    ) -> None:
        self._name = name
        self._store = store
        self._lease = lease
        self._clock = clock
        self._emitter = emitter
        self._wake_worker = wake
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._trouble = 0.0

    def start(self) -> None:
        """Start the thread, or have it look for a sweep now. Raises RuntimeError if no thread can be started."""
        with self._lock:
            self._stopping.clear()
            self._wake.set()
            if self._thread is not None and self._thread.is_alive():
                return
            work = (weakref.ref(self), self._wake, self._clock)
            thread = threading.Thread(target=_run, args=work, name=f"{self._name}-sweeper", daemon=True)
            thread.start()
            self._thread = thread

    def stop(self, seconds: float) -> None:
        """End after the step under way; the sweep goes on when a process starts."""
        with self._lock:
            thread = self._thread
            self._stopping.set()
            self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    @property
    def alarm(self) -> Callable[[], None]:
        """What wakes its thread, and does not keep it alive."""
        return self._wake.set

    def _turn(self) -> tuple[bool, float | None]:
        """Work on a sweep; returns whether to go on, and in how many seconds, None for when woken."""
        self._wake.clear()
        with self._lock:
            if self._stopping.is_set():
                self._thread = None
                return False, None
        wait: float | None
        try:
            wait, self._trouble = self._next(), 0.0
        except StoreUnavailable as error:
            wait = self._trouble = min(_TROUBLE_MAX, self._trouble * 2 or 0.5)
            logger.warning("sweeps wait for the store, next try in %g s: %s", wait, error)
        except Exception:
            wait = _TROUBLE_MAX
            logger.exception("a sweep of %r broke off, it goes on after its lease", self._name)
        return True, wait

    def _next(self) -> float | None:
        """Work on a sweep, if there is one; returns in how many seconds to look again, None for when woken."""
        found = self._store.sweeps.claim(self._lease)
        if not isinstance(found, Sweep):
            return found
        self._sweep(found)
        return 0.0

    def _sweep(self, sweep: Sweep) -> None:
        store, told_at = self._store, self._clock.now()
        pages = steps(sweep.verb, sweep.where, store.ingestions, store.failures, sweep.cursor)
        while not self._stopping.is_set():
            page, cursor = next(pages, (None, sweep.cursor))
            last = page is None
            if not page and not last and self._clock.now() < told_at + _TEND:
                continue
            done = store.sweeps.act(sweep, [one.id for one in page or ()], cursor, self._lease, last=last)
            told_at = self._clock.now()
            if done is None:
                return
            sweep, acted = done
            for one in acted:
                if one.finished_at is not None:
                    announce(self._emitter, one)
            self._wake_worker()
            if last:
                logger.warning("%s of %r: %d ingestions", sweep.verb, self._name, sweep.acted)
                return
        store.sweeps.release(sweep)


def _run(reference: weakref.ref[Sweeper], wake: threading.Event, clock: Clock) -> None:
    """Have a sweeper take its turns, until it is stopped or its app is dropped: nothing here keeps it as it waits."""
    while (sweeper := reference()) is not None:
        more, seconds = sweeper._turn()
        del sweeper
        if not more:
            return
        clock.wait(wake, seconds)
