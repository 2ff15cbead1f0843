"""What is logged and signalled of batches and ingestions."""

from __future__ import annotations

import logging

from .. import signals
from ..core import COMPLETED, FAILED, Batch, BatchError, Claim, Ingestion, ServedLog, Timing
from ..outcomes import Ended, Outcome

logger = logging.getLogger("flask_ingestion")


def announce_answered(emitter: signals.Emitter, batch: Batch, timing: Timing, ended: Ended) -> None:
    """Announce what a call that returned led to."""
    if ended.error:
        announce_failure(emitter, batch, ended.ingestion, timing, ended.error, None)
    elif ended.state == COMPLETED:
        emitter.emit(signals.batch_completed, batch=batch, attempt=timing)
        announce_if_ended(emitter, ended.ingestion)


def announce_end(emitter: signals.Emitter, batch: Batch, timing: Timing, ended: Ended, outcome: Outcome) -> None:
    """Announce what a failed attempt led to; where it would have been the last, its ids may go again alone."""
    if ended.error:
        follows = None if ended.state == FAILED else outcome.delay
        announce_failure(emitter, batch, ended.ingestion, timing, ended.error, follows)


def announce_failure(
    emitter: signals.Emitter, batch: Batch, ingestion: Ingestion, timing: Timing, why: BatchError, delay: float | None
) -> None:
    """Announce a failed attempt; another follows after `delay` seconds, none if that is None."""
    if delay is None:
        logger.error("%s failed: %s: %s", named(batch), why.type, why.message, extra=fields(batch))
        emitter.emit(signals.batch_failed, batch=batch, attempt=timing, error=why)
    elif not ingestion.counts.cancelled:
        emitter.emit(signals.batch_retried, batch=batch, attempt=timing, error=why, delay=delay)
    announce_if_ended(emitter, ingestion)


def announce_if_ended(emitter: signals.Emitter, ingestion: Ingestion) -> None:
    """Log and signal the end of an ingestion that has ended."""
    if ingestion.finished_at is not None:
        told = {"ingestion_id": ingestion.id}
        logger.info("ingestion %s ended: %s", ingestion.id, ingestion.status.value, extra=told)
        emitter.emit(signals.ingestion_finished, ingestion=ingestion)


def announce_served(served: ServedLog, emitter: signals.Emitter) -> None:
    """Log and signal the batches that ended without a call since the last time."""
    for batch, ingestion, waited in served.take() if served else ():
        logger.info("%s needs no call: all that it asks is known", named(batch), extra=fields(batch))
        timing = Timing(0.0, waited)
        if batch.error is None:
            emitter.emit(signals.batch_completed, batch=batch, attempt=timing)
        else:
            emitter.emit(signals.batch_failed, batch=batch, attempt=timing, error=batch.error)
        announce_if_ended(emitter, ingestion)


def named(batch: Batch) -> str:
    """Returns what a log line calls a batch."""
    return f"batch {batch.id} of ingestion {batch.ingestion_id}"


def fields(batch: Batch) -> dict[str, str]:
    """Returns the extra fields of a log line about a batch."""
    return {"ingestion_id": batch.ingestion_id, "batch_id": batch.id}


def fields_of_call(claim: Claim) -> dict[str, str]:
    """Returns the extra fields of a log line that may name any id of a call.

    There are none where callers share it, because what is found by a batch may be shown to its caller.
    """
    return fields(claim.batch) if len(claim.owners) == 1 else {}
