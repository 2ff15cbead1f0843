"""The rate below the configured one to which an upstream's refusals lead."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..config import Settings

STEP = 60.0
"""Seconds without a refusal after which the rate rises by a step."""

_SHARE = 0.1
"""A step, as a share of the configured rate."""

_LEAST = 0.1
"""Seconds per start from which a queue without a limit is slowed down."""

_SLOWEST = 64
"""The rate is never lower than the configured one divided by this."""


class Pace(NamedTuple):
    """One start per `interval` seconds, as of `since` (epoch seconds); an interval of 0 is no slow-down.

    Each refusal halves the rate, and it rises again by equal steps: additive increase, multiplicative decrease (D. Chiu
    and R. Jain, 1989, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance").
    """

    interval: float = 0.0
    since: float = 0.0

    def at(self, settings: Settings, now: float) -> float:
        """Returns the seconds per start now, 0 once the rate is back at what is configured."""
        if not self.interval:
            return 0.0
        usual = _usual(settings)
        steps = math.floor(max(0.0, now - self.since) / STEP)
        interval = 1 / (1 / self.interval + steps * _SHARE / usual)
        return interval if interval > usual * 1.000001 else 0.0

    def slower(self, settings: Settings, now: float) -> Pace:
        """Returns half of the present rate."""
        usual = _usual(settings)
        return Pace(min(2 * (self.at(settings, now) or usual), _SLOWEST * usual), now)


def _usual(settings: Settings) -> float:
    return settings.least_interval or _LEAST
