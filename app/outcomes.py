"""How a claim ends, and what that leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .core import COMPLETED, FAILED, LOST, WAITING, Answer, BatchError, Ingestion, is_last


class Outcome(NamedTuple):
    """How a claim ends. `state` is the batch's new state: COMPLETED, WAITING or FAILED of `core.states`.

    `results` is JSON text for each id it asked, or empty if all are null; in FAILED, the error of each that failed
    beside the text of the others, or empty if all failed by `error`. A batch in WAITING is due again after `delay`
    seconds. If `counted` is false, the attempt does not count.
    """

    state: int
    error: BatchError | None = None
    results: Sequence[Answer] = ()
    delay: float = 0.0
    counted: bool = True

    @classmethod
    def ack(cls, results: Sequence[Answer]) -> Outcome:
        """Completes the batch, or fails it if an id failed; the results of the others are kept."""
        return cls(FAILED if BatchError in map(type, results) else COMPLETED, None, results)

    @classmethod
    def retry(cls, error: BatchError, delay: float) -> Outcome:
        """Makes the batch wait `delay` seconds for its next attempt, at the same rank."""
        return cls(WAITING, error, delay=delay)

    @classmethod
    def bury(cls, error: BatchError) -> Outcome:
        """Fails the batch for good."""
        return cls(FAILED, error)

    @classmethod
    def release(cls, delay: float = 0.0) -> Outcome:
        """Puts the batch back untouched, due after `delay` seconds; the attempt does not count."""
        return cls(WAITING, delay=delay, counted=False)

    @classmethod
    def lost(cls, attempt: int, max_attempts: int) -> Outcome:
        """Makes a batch whose lease ran out due at once, or fails it after its last attempt."""
        return cls.bury(LOST) if is_last(attempt, max_attempts) else cls.retry(LOST, 0.0)

    def answers(self, count: int) -> Sequence[Answer]:
        """Returns the answers to the `count` ids that the call asked; empty if there are none."""
        return self.results or (["null"] * count if self.state == COMPLETED else ())


class Ended(NamedTuple):
    """What an outcome led to: the ingestion afterwards, and the batch's state and error.

    With SPLIT_FAILED, a batch that would have failed is in WAITING, because its ids go again one by one.
    """

    ingestion: Ingestion
    state: int
    error: BatchError | None = None
