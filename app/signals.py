"""What a host can listen to. The sender is the Flask app; `name` tells which of its instances speaks.

Receivers run in the app's context, in the thread in which the thing happened, and should be quick. One that raises is
logged and changes nothing.
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
    """A Flask app, as far as signals go."""

    def app_context(self) -> AbstractContextManager[Any]: ...


class Emitter:
    """Says what happens in one instance: first to what is part of it, then to whoever is connected to the signal."""

    def __init__(self, name: str, app: Sender) -> None:
        self.app = app
        self._name = name
        self._own: dict[NamedSignal, Callable[..., None]] = {}

    def observe(self, signal: NamedSignal, observer: Callable[..., None]) -> None:
        """Let a part of the instance itself hear of it, without the app's context and with all keywords but `name`."""
        self._own[signal] = observer

    def is_heard(self, signal: NamedSignal) -> bool:
        """Whether a receiver of the host's is connected."""
        return bool(signal.receivers) and any(True for _ in signal.receivers_for(self.app))

    def emit(self, signal: NamedSignal, **keywords: Any) -> None:
        """Call everybody, each on its own."""
        try:
            if observer := self._own.get(signal):
                observer(**keywords)
        except Exception:
            logger.exception("an observer of %s raised", signal.name)
        if not signal.receivers:
            return
        for receiver in signal.receivers_for(self.app):
            try:
                with self.app.app_context():
                    receiver(self.app, name=self._name, **keywords)
            except (Exception, SystemExit):
                logger.exception("a receiver of %s raised", signal.name)
