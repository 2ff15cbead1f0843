"""Announcements that must not block the worker's thread, made in a separate thread."""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Callable

logger = logging.getLogger("flask_ingestion")


class Announcer:
    """Runs the given calls one after the other; no exception in them stops it.

    Its daemon thread starts with the first call, and ends at the latest once the Announcer is dropped. A receiver that
    never returns blocks only the announcements after it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] | None = None
        self._thread: threading.Thread | None = None

    def put(self, call: Callable[[], None]) -> None:
        """Run `call` soon; if no thread can be started, drop it and log that."""
        with self._lock:
            if self._calls is not None:
                self._calls.put(call)
                return
            calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
            thread = threading.Thread(
                target=_run, args=(self._name, calls), name=f"{self._name}-announcer", daemon=True
            )
            calls.put(call)
            try:
                thread.start()
            except RuntimeError as error:
                trouble = error
            else:
                self._calls, self._thread = calls, thread
                weakref.finalize(self, calls.put, None).atexit = False
                return
        logger.error("an announcement of %r is dropped, no thread could be started: %s", self._name, trouble)

    def stop(self, seconds: float) -> None:
        """End the thread after the calls it was given; waits up to `seconds` for that."""
        with self._lock:
            calls, thread, self._calls, self._thread = self._calls, self._thread, None, None
        if calls is not None:
            calls.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)


def _run(name: str, calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while call := calls.get():
        try:
            call()
        except BaseException:
            logger.critical("an announcement of %r was cut off", name, exc_info=True)
        del call  # it holds the app, which this thread must not keep while it waits
