"""What the queue measures: how long a batch takes, and how far off its estimates were."""

from __future__ import annotations

from collections import deque

from .reports import Accuracy

_WEIGHT = 0.1
"""Weight of the newest measurement in the mean, so that it follows a changing upstream."""

MISSES = 1000
"""Of how many ingestions, the latest that ended, the accuracy is told."""


class Measured:
    """A moving mean of service times, and the errors of the latest estimates, all in seconds."""

    def __init__(self, service: float = 0.0) -> None:
        self.service = service
        self._misses: deque[float] = deque(maxlen=MISSES)

    def took(self, seconds: float) -> None:
        """Record how long a batch ran."""
        self.service += (seconds - self.service) * (_WEIGHT if self.service else 1.0)

    def missed_by(self, seconds: float) -> None:
        """Record how far an ingestion's end was from its estimate."""
        self._misses.append(abs(seconds))

    def accuracy(self) -> Accuracy | None:
        """Returns how far off the estimates were; None before the first."""
        if not self._misses:
            return None
        ranked = sorted(self._misses)
        return Accuracy(len(ranked), sum(ranked) / len(ranked), ranked[(len(ranked) * 95 - 1) // 100])
