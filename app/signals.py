"""What a host can listen to. The sender is the Flask app; `name` tells which of its instances speaks.

Receivers run in the app's context, in the thread in which the thing happened, and should be quick. One that raises is
logged and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from blinker import NamedSignal, Namespace

R = TypeVar("R", bound=Callable[..., None])

logger = logging.getLogger("flask_ingestion")

_namespace = Namespace()

batch_started = _namespace.signal("batch-started", "An attempt begins. Keywords: name, batch.")
batch_completed = _namespace.signal("batch-completed", "A batch ended well. Keywords: name, batch, attempt.")
batch_retried = _namespace.signal(
    "batch-retried", "An attempt failed and another follows. Keywords: name, batch, attempt, error, delay (seconds)."
)
batch_failed = _namespace.signal("batch-failed", "A batch failed for good. Keywords: name, batch, attempt, error.")
queue_held = _namespace.signal("queue-held", "The upstream asked for quiet. Keywords: name, batch, seconds.")
ingestion_accepted = _namespace.signal("ingestion-accepted", "A submission was accepted. Keywords: name, ingestion.")
ingestion_refused = _namespace.signal("ingestion-refused", "A submission was refused. Keywords: name, error.")
ingestion_finished = _namespace.signal("ingestion-finished", "An ingestion ended. Keywords: name, ingestion.")


class Attempt(NamedTuple):
    """How long an attempt took and, where known, how late it started, in seconds."""

    duration: float
    wait: float | None


class Sender(Protocol):
    """A Flask app, as far as signals go."""

    def app_context(self) -> AbstractContextManager[Any]: ...


def contextless(receiver: R) -> R:
    """Mark a receiver of our own that asks nothing of the app: making the context would take longer than it does."""
    receiver.contextless = True  # type: ignore[attr-defined]
    return receiver


def heard(signal: NamedSignal, sender: Sender) -> bool:
    """Whether anybody but ourselves listens."""
    return bool(signal.receivers) and not all(map(_is_ours, signal.receivers_for(sender)))


def emit(signal: NamedSignal, sender: Sender, **keywords: Any) -> None:
    """Call every receiver of the signal, each on its own."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(sender):
        try:
            if _is_ours(receiver):
                receiver(sender, **keywords)
            else:
                with sender.app_context():
                    receiver(sender, **keywords)
        except (Exception, SystemExit):
            logger.exception("a receiver of %s raised", signal.name)


def _is_ours(receiver: Callable[..., Any]) -> bool:
    return getattr(receiver, "contextless", False) is True
