"""What the queue measures: how long a batch takes, and how far off its estimates were."""

from __future__ import annotations

from collections.abc import Iterable

from .reports import Accuracy

_WEIGHT = 0.1
"""Weight of the newest measurement in the mean, so that it follows a changing upstream."""

MISSES = 1000
"""How many of the latest ended ingestions the accuracy is measured over."""


def moving_mean(mean: float, seconds: float, ended: int) -> float:
    """Returns the mean service time after a batch that ran for so many seconds; 0 as the mean of none.

    `ended` is how many batches have ended or were put back, riders included: while they are few, all weigh about alike,
    so that the very first does not decide for long.
    """
    if not mean or ended < 2:
        return seconds
    return mean + (seconds - mean) * (_WEIGHT if ended * _WEIGHT > 1 else 1 / ended)


def accuracy_of(misses: Iterable[float]) -> Accuracy | None:
    """Returns how far off estimates were, given by how many seconds each missed, either way; None without any."""
    ranked = sorted(map(abs, misses))
    if not ranked:
        return None
    return Accuracy(len(ranked), sum(ranked) / len(ranked), ranked[(len(ranked) * 95 - 1) // 100])
