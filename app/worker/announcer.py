"""Announcements that must not hold up the worker's thread, made in a thread of their own."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger("flask_ingestion")


class Announcer:
    """Calls what it is given, one after the other; nothing that these raise ends it.

    Its daemon thread starts with the first call. A receiver of the host's that never returns holds up the announcements
    after it, and nothing else.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._calls: queue.SimpleQueue[Callable[[], None] | None] | None = None
        self._thread: threading.Thread | None = None

    def put(self, call: Callable[[], None]) -> None:
        """Call it soon; dropped, and logged, where no thread can be started."""
        with self._lock:
            if self._calls is not None:
                self._calls.put(call)
                return
            calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
            thread = threading.Thread(target=self._run, args=(calls,), name=f"{self._name}-announcer", daemon=True)
            calls.put(call)
            try:
                thread.start()
            except RuntimeError as error:
                trouble = error
            else:
                self._calls, self._thread = calls, thread
                return
        logger.error("an announcement of %r is dropped, no thread could be started: %s", self._name, trouble)

    def stop(self, seconds: float) -> None:
        """End the thread after what it was given, and wait so long for that."""
        with self._lock:
            calls, thread, self._calls, self._thread = self._calls, self._thread, None, None
        if calls is not None:
            calls.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _run(self, calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        while call := calls.get():
            try:
                call()
            except BaseException:
                logger.critical("an announcement of %r was cut off", self._name, exc_info=True)
