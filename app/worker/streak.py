"""How many calls of this process failed in a row."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Failing(NamedTuple):
    """How many of the latest calls failed, one after the other, and the type of the last one's error."""

    calls: int = 0
    type: str = ""


class Streak:
    """Counts the calls that failed since the latest that brought answers. Thread-safe."""

    def __init__(self) -> None:
        self.failing = Failing()
        self._lock = threading.Lock()

    def failed(self, type_: str) -> None:
        """Record that a call failed."""
        with self._lock:
            self.failing = Failing(self.failing.calls + 1, type_)

    def answered(self) -> None:
        """Record that a call brought answers."""
        if self.failing.calls:
            with self._lock:
                self.failing = Failing()
