"""The clock, which tests replace or stop."""

from __future__ import annotations

import math
import threading
import time
from typing import Protocol


class Clock(Protocol):
    """The only source of time in a process."""

    def now(self) -> float:
        """Seconds since the epoch, never going back."""

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Wait until `event` is set, at most `seconds` (None: for ever); returns whether it was set."""


class SystemClock:
    """The monotonic clock, shifted once to the epoch, so that a wall clock adjustment cannot distort the rate.

    For a host's tests it can stand still, and then moves only with `advance`.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._stopped_at: float | None = None

    def now(self) -> float:
        stopped_at = self._stopped_at
        return self._offset + time.monotonic() if stopped_at is None else stopped_at

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))

    @property
    def stands_still(self) -> bool:
        """Whether it moves with `advance` alone."""
        return self._stopped_at is not None

    def stand_still(self) -> None:
        """Stop at a whole second, so that times a whole interval apart are so exactly."""
        if self._stopped_at is None:
            self._stopped_at = float(math.ceil(self.now()))

    def go_on(self) -> None:
        """Move with real time again, from where it stands."""
        if self._stopped_at is not None:
            self._offset = self._stopped_at - time.monotonic()
            self._stopped_at = None

    def advance(self, seconds: float) -> None:
        """Let time pass while it stands still, at least the least that changes it.

        Raises RuntimeError while it does not, ValueError for less than 0 seconds.
        """
        if self._stopped_at is None:
            raise RuntimeError("This clock moves by itself; only one that stands still can be advanced.")
        if not seconds >= 0:
            raise ValueError(f"A clock goes forward: {seconds!r} is less than 0 seconds.")
        if seconds:
            self._stopped_at = max(self._stopped_at + seconds, math.nextafter(self._stopped_at, math.inf))
