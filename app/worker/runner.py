"""One batch in process: the processor's call, and what is told of its outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from .. import signals
from ..core import LOST, Batch, BatchError, Clock, Ingestion, Status
from ..errors import HoldQueue, IngestError, StoreUnavailable
from ..store import Store
from .retry import RetryPolicy
from .slots import Slot

logger = logging.getLogger("flask_ingestion")

TROUBLE_MAX = 10.0
"""Seconds between two tries at most while the store cannot be reached."""


class Runner:
    """Runs `process`, which takes a batch's ids and returns JSON text for each, in the app's context.

    `ack` tells the store of a batch that ended well; the slot may hold another batch after that.
    """

    def __init__(
        self,
        store: Store,
        policy: RetryPolicy,
        clock: Clock,
        process: Callable[[Sequence[int]], Sequence[str]],
        emitter: signals.Emitter,
        ack: Callable[[Slot, Sequence[str]], Ingestion | None],
    ) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._process = process
        self._emitter = emitter
        self._ack = ack

    def run(self, slot: Slot) -> None:
        """Run the processor on the slot's batch and tell the store what came of it."""
        batch = slot.batch
        if logger.isEnabledFor(logging.INFO):
            logger.info("dispatched batch %s, attempt %d", batch.id, batch.attempt, extra=fields(batch))
        outcome = self._attempt(batch)
        if slot.given_up.is_set():
            # The batch was put back or failed, and may by now run elsewhere under the same attempt's number.
            logger.info("the late outcome of batch %s is dropped", batch.id, extra=fields(batch))
        elif isinstance(outcome, HoldQueue):
            hold = outcome
            logger.warning("%s", hold, extra=fields(batch))
            self._emitter.emit(signals.queue_held, batch=batch, seconds=hold.seconds)
            self._report(slot, lambda: self._store.hold(hold.seconds))
            self.finish(self._report(slot, lambda: self._store.release(batch)))
        elif isinstance(outcome, BaseException):
            self.fail(slot, outcome)
        else:
            results, attempt = outcome, slot.attempt(self._clock.now())
            ingestion = self._report(slot, lambda: self._ack(slot, results))
            if ingestion:
                self._emitter.emit(signals.batch_completed, batch=batch, attempt=attempt)
            self.finish(ingestion)

    def _attempt(self, batch: Batch) -> Sequence[str] | BaseException:
        """What the processor made of it: results, or whatever it raised; nothing it does may end this thread."""
        try:
            self._emitter.emit(signals.batch_started, batch=batch)
            with self._emitter.app.app_context():
                return self._process(batch.ids)
        except HoldQueue as hold:
            return hold
        except BaseException as error:
            message, extra = "attempt %d at batch %s failed: %s", fields(batch)
            known = isinstance(error, IngestError)
            logger.warning(
                message, batch.attempt, batch.id, BatchError.of(error).message, exc_info=not known, extra=extra
            )
            return error

    def fail(self, slot: Slot, error: BaseException) -> None:
        """The attempt failed: another one later, or none."""
        batch, why, attempt = slot.batch, BatchError.of(error), slot.attempt(self._clock.now())
        delay = self._policy.delay(batch.attempt, error)
        if delay is not None:
            ingestion = self._report(slot, lambda: self._store.retry(batch, why, delay))
        else:
            ingestion = self._report(slot, lambda: self._store.bury(batch, why))
        if ingestion:
            self._tell_failure(batch, ingestion, attempt, why, delay)
        self.finish(ingestion)

    def lose(self, batch: Batch, ingestion: Ingestion) -> None:
        """The store has put back or failed a batch whose lease ran out, here or in a process that is gone."""
        now = self._clock.now()
        attempt = signals.Attempt.of(batch, batch.claimed_at or now, now)
        logger.warning("attempt %d at batch %s is lost: %s", batch.attempt, batch.id, LOST.message, extra=fields(batch))
        self._tell_failure(batch, ingestion, attempt, LOST, None if batch.status is Status.FAILED else 0.0)
        self.finish(ingestion)

    def _tell_failure(
        self, batch: Batch, ingestion: Ingestion, attempt: signals.Attempt, why: BatchError, delay: float | None
    ) -> None:
        """An attempt failed; another follows after `delay` seconds, unless it was cancelled meanwhile, or none."""
        if delay is not None:
            if not ingestion.counts.cancelled:
                self._emitter.emit(signals.batch_retried, batch=batch, attempt=attempt, error=why, delay=delay)
            return
        logger.error("batch %s failed: %s: %s", batch.id, why.type, why.message, extra=fields(batch))
        self._emitter.emit(signals.batch_failed, batch=batch, attempt=attempt, error=why)

    def finish(self, ingestion: Ingestion | None) -> None:
        """Say so where this ended an ingestion."""
        if ingestion and ingestion.finished_at is not None:
            announce(self._emitter, ingestion)

    def _report(self, slot: Slot, report: Callable[[], Any]) -> Any:
        """Tell the store, however long it takes to come back; the lease says whether it still counts."""
        pause = 0.5
        while True:
            try:
                return report()
            except StoreUnavailable as error:
                logger.warning("the outcome of batch %s waits for the store: %s", slot.batch.id, error)
                if self._clock.wait(slot.given_up, pause):
                    return None
                pause = min(TROUBLE_MAX, pause * 2)


def announce(emitter: signals.Emitter, ingestion: Ingestion) -> None:
    """Log and signal that an ingestion ended."""
    logger.info("ingestion %s ended: %s", ingestion.id, ingestion.status.value, extra={"ingestion_id": ingestion.id})
    emitter.emit(signals.ingestion_finished, ingestion=ingestion)


def fields(batch: Batch) -> dict[str, str]:
    """What a log line about a batch carries."""
    return {"ingestion_id": batch.ingestion_id, "batch_id": batch.id}
