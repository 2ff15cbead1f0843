"""When a callback is tried again."""

from __future__ import annotations

import random
from collections.abc import Callable

DAY = 86_400.0
"""Seconds for which a callback is tried."""

_LEAST, _MOST = 5.0, 7200.0
_SPREAD = 0.2
"""Share by which a wait varies, so that what failed together does not come back together."""


def wait_after(elapsed: float, draw: Callable[[], float] = random.random) -> float:
    """Returns the seconds to wait after an attempt that failed `elapsed` seconds after the first.

    About as long as has passed, which doubles the time from attempt to attempt: 5 s at least, 2 h at most.
    """
    return _usual(elapsed) * (1 + _SPREAD * (draw() - 0.5))


def least_wait(elapsed: float) -> float:
    """Returns the least seconds that `wait_after` draws."""
    return _usual(elapsed) * (1 - _SPREAD / 2)


def _usual(elapsed: float) -> float:
    return min(_MOST, max(_LEAST, elapsed))
