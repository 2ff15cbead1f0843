"""When a failed batch is retried, if at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ..config import Settings
from ..core import is_last
from ..errors import PermanentError


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential backoff with full jitter: a uniform share of a bound that doubles with each attempt.

    As described in M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Times are seconds;
    `draw` gives the share, from 0 to 1.
    """

    max_attempts: int
    backoff: float
    backoff_max: float
    draw: Callable[[], float] = random.random

    @classmethod
    def of(cls, settings: Settings, draw: Callable[[], float] = random.random) -> RetryPolicy:
        return cls(settings.max_attempts, settings.backoff, settings.backoff_max, draw)

    def delay(self, attempt: int, error: BaseException) -> float | None:
        """Returns how long to wait after this attempt (from 1) failed, or None to give up the batch."""
        if isinstance(error, PermanentError) or is_last(attempt, self.max_attempts):
            return None
        return self.draw() * self.bound(attempt)

    def bound(self, attempt: int) -> float:
        """Returns the longest wait after this attempt (from 1)."""
        # Past 2**62 it is backoff_max anyway; an unbounded exponent would overflow.
        return min(self.backoff_max, self.backoff * 2.0 ** min(attempt - 1, 62))
