"""One call of the processor, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from .. import signals
from ..core import Answer, Batch, BatchError, Id, merged, parted
from ..errors import HoldQueue, IngestError
from .announcements import fields, named

logger = logging.getLogger("flask_ingestion")

Process: TypeAlias = Callable[[Sequence[Id]], Sequence[Answer]]
"""Takes a call's ids and returns JSON text or an error for each, or an empty sequence if all are null."""


class Returned(NamedTuple):
    """The processor returned; `of_riders` are the results of each batch that rode along."""

    results: Sequence[Answer]
    of_riders: Sequence[Sequence[Answer]] = ()


class Raised(NamedTuple):
    """The processor raised."""

    error: BaseException


class Held(NamedTuple):
    """The upstream asked for a hold."""

    hold: HoldQueue


def call(
    process: Process, batches: Sequence[Batch], emitter: signals.Emitter, *, by_id: bool
) -> Returned | Raised | Held:
    """Call the processor for the batches of a call, in the app's context; nothing that it raises gets out.

    `by_id` says that an id that comes twice is asked once, as it is where several batches share the call.
    """
    if logger.isEnabledFor(logging.INFO):
        for batch in batches:
            logger.info("dispatched %s, attempt %d", named(batch), batch.attempt, extra=fields(batch))
    parts: list[tuple[Id, ...]] = [tuple(batch.ids) for batch in batches]  # a receiver may change a batch's list
    try:
        for batch in batches:
            emitter.emit(signals.batch_started, batch=batch)
        with emitter.app.app_context():
            if len(parts) == 1 and not by_id:
                return Returned(process(parts[0]))
            asked = merged(parts)
            own, *others = parted(parts, asked, process(asked))
            return Returned(own, others)
    except HoldQueue as hold:
        return Held(hold)
    except BaseException as error:
        for batch in batches:
            logger.warning(
                "attempt %d at %s failed: %s",
                batch.attempt,
                named(batch),
                BatchError.of(error).message,
                exc_info=batch is batches[0] and not isinstance(error, IngestError),
                extra=fields(batch),
            )
        return Raised(error)
