"""A daemon thread that looks for what is due until it is stopped, or its app is dropped."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import ClassVar

from .core import Clock
from .errors import StoreUnavailable

logger = logging.getLogger("flask_ingestion")

TROUBLE_MAX = 10.0
"""Most seconds between two tries while the store cannot be reached."""


class Daemon:
    """What does its work in a daemon thread of its own, one look after the other.

    The thread keeps it alive during a look, but not between two: when its app is dropped, it is too, and the thread
    ends once its `alarm` is called.
    """

    kind: ClassVar[str]
    """What it is called, in the name of its thread and in the log."""

    loss: ClassVar[str]
    """What the log says of its death: what is not done any more."""

    work: ClassVar[str]
    """What the log says it works on, in the plural."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._over = threading.Event()
        self._died = False
        self._thread: threading.Thread | None = None
        self._trouble = 0.0

    @property
    def alarm(self) -> Callable[[], None]:
        """What wakes its thread, and does not keep it alive."""
        return self._wake.set

    def wake(self) -> None:
        """Look now, because something changed."""
        self._wake.set()

    def start(self) -> None:
        """Start the thread, or wake it if it is running. Raises RuntimeError if no thread can be started."""
        with self._lock:
            self._stopping.clear()
            self._open()
            self._wake.set()
            if self._thread is not None and self._thread.is_alive() and not self._died:
                return
            self._over.clear()
            self._died = False
            work = (weakref.ref(self), self._wake, self._clock)
            thread = threading.Thread(target=_run, args=work, name=f"{self._name}-{self.kind}", daemon=True)
            thread.start()
            self._thread = thread

    def _end_soon(self) -> threading.Thread | None:
        """Have it end after the look under way; returns the thread to wait for, None where there is none."""
        with self._lock:
            thread = self._thread
            self._stopping.set()
            self._wake.set()
        return None if thread is threading.current_thread() else thread

    def _open(self) -> None:
        """Get ready for a start. Called with the lock held."""

    def _look(self) -> float | None:
        """Do what is due; returns in how many seconds to look again, None for when woken."""
        wait: float | None
        try:
            wait, self._trouble = self._next(), 0.0
        except StoreUnavailable as error:
            wait = self._next_try()
            logger.warning("%s wait for the store, next try in %g s: %s", self.work, wait, error)
        except Exception:
            # One must not keep the others; its lease passes before it comes again.
            wait = TROUBLE_MAX
            logger.exception("one of the %s of %r broke off, next try in %g s", self.work, self._name, wait)
        return wait

    def _next(self) -> float | None:
        """Do one thing that is due, if there is one; returns as `_look` does."""
        raise NotImplementedError

    def _next_try(self) -> float:
        """Returns in how many seconds to try again, because the store cannot be reached: twice as many each time."""
        self._trouble = min(TROUBLE_MAX, self._trouble * 2 or 0.5)
        return self._trouble

    def _may_end(self) -> bool:
        """Returns whether nothing is left to do before it stops."""
        return True

    def _leave(self) -> None:
        """Sign off before the thread ends; start() may still be called meanwhile."""

    def _step(self) -> tuple[bool, float | None]:
        """Returns whether there is another look, and in how many seconds, None for when woken."""
        # Cleared before the look, so that a change during it is not missed.
        self._wake.clear()
        try:
            if self._stopping.is_set() and self._may_end():
                self._leave()
                if self._ends():
                    return False, None
            return True, self._look()
        except BaseException:
            logger.critical("the %s of %r died; %s", self.kind, self._name, self.loss, exc_info=True)
            with self._lock:
                self._died = True
            self._over.set()
            self._leave()
            return False, None

    def _ends(self) -> bool:
        """Returns whether a stop is complete; decided under the lock, so that a start comes either before or after."""
        with self._lock:
            if not self._stopping.is_set() or not self._may_end():
                return False
            self._thread = None
            self._over.set()
            return True


def _run(reference: weakref.ref[Daemon], wake: threading.Event, clock: Clock) -> None:
    while (daemon := reference()) is not None:
        more, seconds = daemon._step()
        del daemon
        if not more:
            return
        clock.wait(wake, seconds)
