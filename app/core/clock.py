"""The clock, which tests replace."""

from __future__ import annotations

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
    """The monotonic clock, shifted once to the epoch, so that a wall clock adjustment cannot distort the rate."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return self._offset + time.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))
