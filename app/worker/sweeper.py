"""The sweeper: the daemon thread that carries out sweeps, a step at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..core import Clock, Sweep, steps
from ..daemon import Daemon
from ..signals import Emitter
from ..store import Store
from .announcements import announce_if_ended

logger = logging.getLogger("flask_ingestion")

_TEND = 5.0
"""Seconds after which a sweep that found nothing in the meantime says how far it is."""


class Sweeper(Daemon):
    """Works on one sweep at a time, beside the worker. Each step is one small call of the store, so a dispatch waits
    for one step at most. Another process goes on with a sweep whose process has been gone for `lease` seconds.

    It announces what a cancel ended, and calls `wake` for the worker after each step.
    """

    kind = "sweeper"
    loss = "sweeps go on with the next start"
    work = "sweeps"

    def __init__(
        self, name: str, store: Store, lease: float, clock: Clock, emitter: Emitter, wake: Callable[[], None]
    ) -> None:
        super().__init__(name, clock)
        self._store = store
        self._lease = lease
        self._emitter = emitter
        self._wake_worker = wake

    def stop(self, seconds: float) -> None:
        """End after the step under way; the sweep goes on when a process starts."""
        if (thread := self._end_soon()) is not None:
            thread.join(seconds)

    def carry_out(self) -> None:
        """Carry out what is pending in this thread, for a host's test."""
        self._stopping.clear()
        while self._next() == 0.0:
            pass

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
                announce_if_ended(self._emitter, one)
            self._wake_worker()
            if last:
                logger.warning("%s of %r: %d ingestions", sweep.verb, self._name, sweep.acted)
                return
        store.sweeps.release(sweep)
