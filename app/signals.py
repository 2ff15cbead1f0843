"""What a host can listen to. The sender is the Flask app; `name` tells which of its instances speaks.

Receivers run in the app's context, in the thread in which the thing happened, and should be quick. One that raises is
logged and changes nothing.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any, Protocol

from blinker import NamedSignal, Namespace

logger = logging.getLogger("flask_ingestion")

_namespace = Namespace()

batch_started = _namespace.signal("batch-started", "An attempt begins. Keywords: name, batch.")
batch_completed = _namespace.signal("batch-completed", "A batch ended well. Keywords: name, batch.")
batch_failed = _namespace.signal("batch-failed", "A batch failed for good. Keywords: name, batch, error.")
ingestion_finished = _namespace.signal("ingestion-finished", "An ingestion ended. Keywords: name, ingestion.")


class Sender(Protocol):
    """A Flask app, as far as signals go."""

    def app_context(self) -> AbstractContextManager[Any]: ...


def emit(signal: NamedSignal, sender: Sender, **keywords: Any) -> None:
    """Call every receiver of the signal, each on its own."""
    if not signal.receivers:
        return
    with sender.app_context():
        for receiver in signal.receivers_for(sender):
            try:
                receiver(sender, **keywords)
            except Exception:
                logger.exception("a receiver of %s raised", signal.name)
