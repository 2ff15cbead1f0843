"""What a processor may ask of the queue while it works on a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from ..core import Batch
from ..errors import HoldQueue

logger = logging.getLogger("flask_ingestion")


@dataclass(frozen=True, slots=True)
class Current:
    """What a running attempt can do: name its batches, hold the queue, slow it down."""

    batches: Callable[[], tuple[Batch, ...]]
    hold: Callable[[HoldQueue], None]
    slow_down: Callable[[str], None]


_current: ContextVar[Current] = ContextVar("flask_ingestion.current")


@contextmanager
def attempting(current: Current) -> Iterator[None]:
    """Within the block, and in this thread alone, the functions below are about this attempt."""
    token = _current.set(current)
    try:
        yield
    finally:
        _current.reset(token)


def current_batch() -> Batch:
    """Returns the batch that this thread works on, the same id at each attempt. Raises RuntimeError in any other one.

    A thread that the processor starts is another. With FILL, this is the batch that leads the call.
    """
    return current_batches()[0]


def current_batches() -> tuple[Batch, ...]:
    """Returns the batches that this thread's call is for: one, or with FILL its leader and those that ride along.

    They may belong to several ingestions and callers. Raises RuntimeError as `current_batch` does.
    """
    try:
        return _current.get().batches()
    except LookupError:
        raise RuntimeError("There is no current batch: this thread runs no processor.") from None


def hold_queue(seconds: float, reason: str = HoldQueue.REASON) -> None:
    """Start nothing more for `seconds`, from now on; this batch goes on, and may still complete.

    Raises ValueError as HoldQueue does. Where no queue is, as in a test that calls a processor, it is only logged.
    """
    hold = HoldQueue(seconds, reason)
    if current := _current.get(None):
        current.hold(hold)
    else:
        logger.warning("%s, if there were a queue", hold)


def slow_down(reason: str) -> None:
    """Lower the rate a step, because the upstream says it is called too often without saying until when.

    Where no queue is, as in a test that calls a processor, it is only logged.
    """
    if current := _current.get(None):
        current.slow_down(reason)
    else:
        logger.warning("%s; slower, if there were a queue", reason)
