"""The life of a batch: claimed, started, ended or given up, reported to the store; then its thread takes the next."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import ParamSpec, TypeVar

from .. import signals
from ..config import Settings
from ..core import (
    COMPLETED,
    LOST,
    Batch,
    BatchError,
    Claim,
    Clock,
    Ingestion,
    Status,
    Timing,
    Wait,
    refused_together,
)
from ..daemon import TROUBLE_MAX
from ..errors import HoldQueue, PermanentError, StoreUnavailable
from ..outcomes import Ended, Outcome
from ..processors import Current, attempting
from ..store import Store
from .announcements import (
    announce_answered,
    announce_end,
    announce_failure,
    announce_if_ended,
    announce_served,
    fields,
    fields_of_call,
    named,
)
from .announcer import Announcer
from .call import CutOff, Held, Process, Raised, Result, Returned, call
from .crew import Crew, Hand, Slot
from .holds import Holds
from .retry import RetryPolicy
from .streak import Streak

logger = logging.getLogger("flask_ingestion")

P = ParamSpec("P")
T = TypeVar("T")


class Attempts:
    """Runs `process` on claimed batches in the app's context, in the crew's threads.

    `draw` gives the share of a retry's longest wait, from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        process: Process,
        emitter: signals.Emitter,
        crew: Crew,
        announcer: Announcer,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._policy = RetryPolicy.of(settings, draw)
        self.holds = Holds(self._policy)
        self.streak = Streak()
        self._timeout = settings.process_timeout
        self._fresh = settings.fresh is not None
        self._clock = clock
        self._process = process
        self._emitter = emitter
        self._crew = crew
        self._announcer = announcer
        self._pace = 0.0

    def run(self, claim: Claim) -> None:
        """Run a claimed batch in a separate thread."""
        if self._crew.closed:
            self.put_back(claim)
            return
        try:
            self._crew.start(Slot(claim, self._clock.now()), self._work)
        except RuntimeError as error:
            batch = claim.batch
            logger.error("no thread could be started, %s is put back: %s", named(batch), error, extra=fields(batch))
            self.put_back(claim)
            self._store.hold(1.0)

    def run_here(self, claim: Claim) -> BaseException | None:
        """Run a claimed batch in the calling thread; returns what the processor raised, unless that was a hold.

        Raises StoreUnavailable where a worker's thread would wait for the store.
        """
        hand = Hand(Slot(claim, self._clock.now()))
        with attempting(self._asked_by(hand)):
            result = self._call(hand)
            self._settle(hand, result)
        return result.error if isinstance(result, Raised) else None

    def put_back(self, *claims: Claim) -> None:
        """Undo claims, with what rides along; an ingestion that was cancelled in the meantime ends by that."""
        try:
            told = self._store.end_together([(one, Outcome.release()) for claim in claims for one in claim.all])
        except StoreUnavailable as error:
            for batch in (claim.batch for claim in claims):
                logger.warning("%s is left to its lease: %s", named(batch), error, extra=fields(batch))
            return
        for ended in told:
            if ended and ended.ingestion.finished_at is not None:
                # Whoever stops the worker must not wait for a receiver.
                self._announcer.put(partial(announce_if_ended, self._emitter, ended.ingestion))

    def _work(self, hand: Hand) -> None:
        """Run a batch, then whatever else is already due, which saves a thread switch."""
        try:
            with attempting(self._asked_by(hand)):
                while claim := self._live(hand):
                    if not self._crew.go_on(hand, Slot(claim, self._clock.now())):
                        self.put_back(claim)
                        return
        except BaseException:
            logger.critical(
                "a batch thread of %r died", self._crew.name, exc_info=True, extra=fields(hand.slot.claim.batch)
            )

    def _asked_by(self, hand: Hand) -> Current:
        """Returns what the processor may ask while it works in a hand's thread."""
        hold, slow_down = partial(self._hold_queue, hand), partial(self._slow_down, hand)
        return Current(lambda: hand.slot.claim.batches, hold, slow_down)

    def _live(self, hand: Hand) -> Claim | None:
        """Run the hand's batch and report its outcome to the store; returns the next claim for this thread, if any."""
        batch = hand.slot.claim.batch
        result = self._call(hand)
        if hand.given_up.is_set():
            # The batch was put back or failed, and may already run elsewhere under the same attempt number.
            logger.info("the late outcome of %s is dropped", named(batch), extra=fields(batch))
            return None
        return self._settle(hand, result)

    def _call(self, hand: Hand) -> Result:
        return call(self._process, hand.slot.claim, self._emitter, by_id=self._fresh)

    def _settle(self, hand: Hand, result: Result) -> Claim | None:
        """Report an attempt's outcome to the store; returns the next claim for this thread, if any."""
        if isinstance(result, CutOff):
            self._crew.close()  # the next would be cut off too
            self.put_back(hand.slot.claim)
            return None
        if not isinstance(result, Held):
            self.holds.ended(hand.slot.claim)
        if isinstance(result, list):
            return self._complete(hand, result)
        if isinstance(result, Held):
            self._hold_queue(hand, result.hold)
            for ended in self._end(hand, [self._put_off(claim, result.hold) for claim in hand.slot.claim.all]):
                if ended:
                    announce_if_ended(self._emitter, ended.ingestion)
        else:
            self._fail(hand, *result)
        return self._next(hand)

    def _put_off(self, claim: Claim, hold: HoldQueue) -> tuple[Claim, Outcome]:
        return claim, Outcome.release(self.holds.delay(claim.batch, hold.seconds))

    def _complete(self, hand: Hand, results: Returned) -> Claim | None:
        (claim, started_at), now = hand.slot, self._clock.now()
        self.streak.answered()
        outcome, *others = map(Outcome.ack, results)
        # A claim starts the next batch, which no receiver of the host may delay: so receivers run before the claim.
        likely = signals.batch_completed if outcome.state == COMPLETED else signals.batch_failed
        heard = self._emitter.is_heard(likely) or self._emitter.is_heard(signals.ingestion_finished)
        riders: Sequence[Ended | None] = ()
        if claim.riders:
            heard = heard or any(map(self._emitter.is_heard, (signals.batch_completed, signals.batch_failed)))
            # The slot is the leader's, so it ends last.
            riders = self._end(hand, list(zip(claim.riders, others, strict=True)))
        together = not heard and self._crew.stays(hand)
        claimed: list[Claim] | Wait = []
        if together:
            told = self._report(hand, self._store.proceed, claim, outcome, was_full=not self._crew.free)
            ended, claimed = told or (None, [])
            self.tell_served()
        else:
            ended = self._report(hand, self._store.end, claim, outcome)
        if ended:
            announce_answered(self._emitter, claim.batch, Timing.of(claim, started_at, now), ended)
        for rider, after in zip(claim.riders, riders):  # noqa: B905 - both are of one call
            if after:
                announce_answered(self._emitter, rider.batch, Timing.of(rider, started_at, now), after)
        if together:
            return None if isinstance(claimed, Wait) or not claimed else claimed[0]
        return self._next(hand)

    def _end(self, hand: Hand, ended: Sequence[tuple[Claim, Outcome]]) -> Sequence[Ended | None]:
        return self._report(hand, self._store.end_together, ended) or [None] * len(ended)

    def _hold_queue(self, hand: Hand, hold: HoldQueue) -> None:
        claim = hand.slot.claim
        logger.warning("%s", hold, extra=fields_of_call(claim))
        # First, for as long as a receiver runs others would start.
        self._report(hand, self._store.hold, hold.seconds)
        self._emitter.emit(signals.queue_held, batch=claim.batch, seconds=hold.seconds)

    def _slow_down(self, hand: Hand, reason: str) -> None:
        claim = hand.slot.claim
        if pace := self._report(hand, self._store.slow_down, claim):
            self._pace = pace
            logger.warning("%s; one start every %g s from now on", reason, pace, extra=fields_of_call(claim))

    def watch_pace(self) -> None:
        """Log how the rate recovers that an attempt of this process lowered."""
        if self._pace and (pace := self._store.stats().pace) < self._pace:
            self._pace = pace
            rate = f"one start every {pace:g} s" if pace else "the rate is as configured"
            logger.warning("the upstream of %r has refused nothing for a while; %s from now on", self._crew.name, rate)

    def _fail(self, hand: Hand, error: BaseException, why: BatchError) -> None:
        """Report a failed attempt to the store: each of its batches is retried, or buried after its last attempt.

        Each of them keeps `why`.
        """
        claims, now = hand.slot.claim.all, self._clock.now()
        self.streak.failed(why.type)
        outcomes = [self._after(claim.batch, error, why, shared=len(claims) > 1) for claim in claims]
        told = self._end(hand, list(zip(claims, outcomes, strict=True)))
        for claim, outcome, ended in zip(claims, outcomes, told, strict=True):
            if ended:
                timing = Timing.of(claim, hand.slot.started_at, now)
                announce_it = partial(announce_end, self._emitter, claim.batch, timing, ended, outcome)
                # For a hand that was given up, this runs in the worker's own thread, which no receiver may block.
                self._announcer.put(announce_it) if hand.given_up.is_set() else announce_it()

    def _after(self, batch: Batch, error: BaseException, why: BatchError, *, shared: bool) -> Outcome:
        """Returns how a batch goes on after an attempt failed, in a call that it shared or not."""
        if shared and isinstance(error, PermanentError):
            return Outcome.retry(refused_together(why), 0.0)
        # An id that goes alone has no second attempt, for its batch had them all.
        delay = None if batch.alone else self._policy.delay(batch.attempt, error)
        return Outcome.bury(why) if delay is None else Outcome.retry(why, delay)

    def _next(self, hand: Hand) -> Claim | None:
        """Claim another batch for a thread that has finished one."""
        if not self._crew.stays(hand):
            return None
        try:
            claimed = self._store.claim(1, was_full=not self._crew.free)
        except StoreUnavailable:
            # The worker's thread runs into the same problem next, and logs it.
            return None
        self.tell_served()
        return None if isinstance(claimed, Wait) else claimed[0]

    def tell_served(self) -> None:
        """Announce what a claim found to need no call, in a thread of its own: batches that started must not wait."""
        if self._fresh and self._store.served:
            self._announcer.put(partial(announce_served, self._store.served, self._emitter))

    def time_out(self, hand: Hand) -> None:
        """Fail the attempt of a hand whose processor did not return in time."""
        late = TimeoutError(f"the processor did not return within {self._timeout:g} s")
        self._fail(hand, late, BatchError.of(late))

    def lose(self, claim: Claim, ingestion: Ingestion) -> None:
        """Announce a claim, of this process or another, that the store ended because its lease ran out."""
        batch = claim.batch
        logger.warning("attempt %d at %s is lost: %s", batch.attempt, named(batch), LOST.message, extra=fields(batch))
        timing = Timing.of(claim, claim.claimed_at, self._clock.now())
        delay = None if batch.status is Status.FAILED else 0.0
        self._announcer.put(partial(announce_failure, self._emitter, batch, ingestion, timing, LOST, delay))

    def _report(self, hand: Hand, report: Callable[P, T], *told: P.args, **more: P.kwargs) -> T | None:
        """Report to the store, retrying while it is unreachable; the lease decides whether the outcome still counts."""
        pause, began, hand.reports = 0.5, self._clock.now(), True
        try:
            while True:
                try:
                    return report(*told, **more)
                except StoreUnavailable as error:
                    if hand.thread is None:  # it is its caller's own, who should know
                        raise
                    batch = hand.slot.claim.batch
                    logger.warning(
                        "the outcome of %s waits for the store: %s", named(batch), error, extra=fields(batch)
                    )
                    if self._clock.wait(hand.given_up, pause):
                        return None
                    pause = min(TROUBLE_MAX, pause * 2)
        finally:
            hand.reported_for += self._clock.now() - began
            hand.reports = False
