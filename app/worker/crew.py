"""The crew: the few threads that run batches, each going on to the next one by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from ..config import Settings
from ..core import Batch, Clock, Ingestion
from ..errors import StoreUnavailable
from ..signals import Emitter, batch_completed, ingestion_finished
from ..store import Store, Wait
from .retry import RetryPolicy
from .runner import Runner, fields
from .slots import Slot, Slots

logger = logging.getLogger("flask_ingestion")


class Crew:
    """A thread for each batch in process, `CONCURRENCY` of them at most, in `slots`.

    `stops` tells whether no further batch is to be run; `left` is called by each thread at its end.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        settings: Settings,
        clock: Clock,
        process: Callable[[Sequence[int]], Sequence[str]],
        emitter: Emitter,
        *,
        stops: Callable[[], bool],
        left: Callable[[], None],
    ) -> None:
        self._name = name
        self._store = store
        self._settings = settings
        self._clock = clock
        self._stops = stops
        self._left = left
        self._emitter = emitter
        self.runner = Runner(store, RetryPolicy.of(settings), clock, process, emitter, self._ack)
        self.slots = Slots(share=store.shares)

    @property
    def free(self) -> int:
        """How many more batches may be in process."""
        return max(0, self._settings.concurrency - len(self.slots))

    def start(self, batch: Batch) -> None:
        """Run a batch that was claimed, in a thread of its own."""
        if self._stops():
            self.put_back(batch)
            return
        slot = Slot(batch, self._clock.now())
        self.slots.add(slot)
        try:
            threading.Thread(target=self._work, args=(slot,), name=f"{self._name}-batch", daemon=True).start()
        except RuntimeError as error:
            logger.error("no thread could be started, batch %s is put back: %s", batch.id, error, extra=fields(batch))
            self.slots.free(slot)
            self.put_back(batch)
            self._store.hold(1.0)

    def put_back(self, batch: Batch) -> None:
        """Undo a claim."""
        try:
            self._store.release(batch)
        except StoreUnavailable as error:
            logger.warning("batch %s is left to its lease: %s", batch.id, error, extra=fields(batch))

    def _work(self, slot: Slot) -> None:
        """Run a batch, then whatever else is due at once, which spares a change of threads."""
        slot.thread = threading.current_thread()
        try:
            while True:
                ran = slot.batch
                self.runner.run(slot)
                if slot.batch is ran and not self._next(slot):
                    break
                if self._stops():
                    self.put_back(slot.batch)
                    break
        except BaseException:
            logger.critical("a batch thread of %r died", self._name, exc_info=True, extra=fields(slot.batch))
        finally:
            self.slots.free(slot)
            self._left()

    def _ack(self, slot: Slot, results: Sequence[str]) -> Ingestion | None:
        """The slot's batch ended well: say so and, where another is wanted, claim it with the same call."""
        # A claim is a start, which must not wait for a receiver of the host's; so that comes first where there is one.
        awaited = self._emitter.is_heard(batch_completed) or self._emitter.is_heard(ingestion_finished)
        if awaited or not self._wants_more(slot):
            return self._store.ack(slot.batch, results)
        ingestion, claimed = self._store.proceed(slot.batch, results, was_full=not self.free)
        self._go_on(slot, claimed)
        return ingestion

    def _next(self, slot: Slot) -> bool:
        """Whether there is a next batch for a slot whose last one did not bring it along."""
        if not self._wants_more(slot):
            return False
        try:
            return self._go_on(slot, self._store.claim(1, was_full=not self.free))
        except StoreUnavailable:
            # The worker's thread meets the same trouble next, and says so.
            return False

    def _wants_more(self, slot: Slot) -> bool:
        return not (slot.given_up.is_set() or self._stops()) and self.slots.stays(slot, self._clock.now())

    def _go_on(self, slot: Slot, claimed: list[Batch] | Wait) -> bool:
        if isinstance(claimed, Wait):
            return False
        if self.slots.go_on(slot, claimed[0], self._clock.now()):
            return True
        self.put_back(claimed[0])
        return False
