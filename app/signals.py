"""The signals that a host can connect to. The sender is the Flask app; `name` is that of the instance.

Receivers run in the app's context, in the thread that caused the event, and should be quick. What one raises is logged
and stops nothing; an interrupt goes on once the others were called. A batch that ends without a call, under FRESH, has
no start: its `started_at` is None, and the attempt took 0 seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from typing import Any, Protocol

from blinker import NamedSignal, Namespace

logger = logging.getLogger("flask_ingestion")

_namespace = Namespace()

batch_started = _namespace.signal("batch-started", "An attempt begins. Keywords: name, batch.")
batch_completed = _namespace.signal("batch-completed", "A batch is completed. Keywords: name, batch, attempt.")
batch_retried = _namespace.signal(
    "batch-retried", "An attempt failed and another follows. Keywords: name, batch, attempt, error, delay (seconds)."
)
batch_failed = _namespace.signal("batch-failed", "A batch failed for good. Keywords: name, batch, attempt, error.")
queue_held = _namespace.signal("queue-held", "The upstream asked for quiet. Keywords: name, batch, seconds.")
ingestion_accepted = _namespace.signal("ingestion-accepted", "A submission was accepted. Keywords: name, ingestion.")
ingestion_refused = _namespace.signal("ingestion-refused", "A submission was refused. Keywords: name, error.")
ingestion_finished = _namespace.signal("ingestion-finished", "An ingestion ended. Keywords: name, ingestion.")


class Sender(Protocol):
    """The part of a Flask app that the signals need."""

    def app_context(self) -> AbstractContextManager[Any]: ...


class Emitter:
    """Announces what happens in one instance: to its own observers first, then to the signal's receivers."""

    def __init__(self, name: str, app: Sender) -> None:
        self.app = app
        self._name = name
        self._raises = False
        self._own: dict[NamedSignal, list[Callable[..., None]]] = {}

    def observe(self, signal: NamedSignal, observer: Callable[..., None]) -> None:
        """Call `observer` each time a signal is emitted, outside the app's context and without the keyword `name`."""
        self._own.setdefault(signal, []).append(observer)

    def for_test(self) -> Emitter:
        """Returns one that, as a test's framework expects, also raises what is no Exception, such as a skip."""
        raising = copy(self)
        raising._raises = True
        return raising

    def is_heard(self, signal: NamedSignal) -> bool:
        """Returns whether a receiver of the host's is connected."""
        return bool(signal.receivers) and any(True for _ in signal.receivers_for(self.app))

    def emit(self, signal: NamedSignal, **keywords: Any) -> None:
        """Call the observers and every receiver; what one raises is logged and does not stop the others.

        Raises KeyboardInterrupt, once all were called.
        """
        for observer in self._own.get(signal, ()):
            try:
                observer(**keywords)
            except Exception:
                logger.exception("an observer of %s raised", signal.name)
        if not signal.receivers:
            return
        interrupt: BaseException | None = None
        for receiver in signal.receivers_for(self.app):
            try:
                with self.app.app_context():
                    receiver(self.app, name=self._name, **keywords)
            except BaseException as error:
                logger.exception("a receiver of %s raised", signal.name)
                if self._stops(error):
                    interrupt = error
        if interrupt:
            raise interrupt

    def _stops(self, error: BaseException) -> bool:
        """Returns whether what a receiver raised is meant for the thread that it ran in."""
        if self._raises:
            return not isinstance(error, Exception | SystemExit)
        # Interrupts come to the main thread, which is never one of the queue's.
        return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()
