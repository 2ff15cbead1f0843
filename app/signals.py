"""The signals that a host can connect to. The sender is the Flask app; `name` is that of the instance.

Receivers run in the app's context, in the thread that caused the event, and should be quick. An exception in one, of
whatever kind, is logged and stops nothing. A KeyboardInterrupt is raised once all have been called; so is, in a host's
test, an exception that ends the test. A batch that ends without a call, under FRESH, has no start: its `started_at` is
None, and the attempt took 0 seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
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
    """Announces what happens in one instance: to its own observers first, then to the signal's receivers.

    `is_tested`, asked each time, says whether this is a host's test, in which all runs in the caller's thread.
    """

    def __init__(self, name: str, app: Sender, is_tested: Callable[[], bool] = lambda: False) -> None:
        self.app = app
        self._name = name
        self._is_tested = is_tested
        self._own: dict[NamedSignal, list[Callable[..., None]]] = {}

    def observe(self, signal: NamedSignal, observer: Callable[..., None]) -> None:
        """Call `observer` each time a signal is emitted, outside the app's context and without the keyword `name`."""
        self._own.setdefault(signal, []).append(observer)

    def is_heard(self, signal: NamedSignal) -> bool:
        """Returns whether a receiver of the host's is connected."""
        return bool(signal.receivers) and any(True for _ in signal.receivers_for(self.app))

    def emit(self, signal: NamedSignal, **keywords: Any) -> None:
        """Call the observers and every receiver; an exception in one is logged and does not stop the others.

        At the end it raises the first that belongs to the caller's thread, and leaves it to the caller to log: a
        KeyboardInterrupt, or in a test one that is no Exception.
        """
        for observer in self._own.get(signal, ()):
            try:
                observer(**keywords)
            except Exception:
                logger.exception("an observer of %s raised", signal.name)
        if not signal.receivers:
            return
        of_caller: BaseException | None = None
        for receiver in signal.receivers_for(self.app):
            try:
                with self.app.app_context():
                    receiver(self.app, name=self._name, **keywords)
            except BaseException as error:
                if of_caller is None and self._is_of_caller(error):
                    of_caller = error
                else:
                    logger.exception("a receiver of %s raised", signal.name)
        if of_caller is not None:
            raise of_caller

    def _is_of_caller(self, error: BaseException) -> bool:
        if isinstance(error, KeyboardInterrupt):
            return True
        return not isinstance(error, Exception | SystemExit) and self._is_tested()
