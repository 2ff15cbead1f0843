"""Time that passes only when a test says so."""

from __future__ import annotations

import threading

START = 1_800_000_000.0


class FakeClock:
    """Stands still until `advance`; a `wait` ends when its event is set or its time has come."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._waiting = 0

    def now(self) -> float:
        return self._now

    def reset(self) -> None:
        """Back to the start, for the next example of a property."""
        self._now = START

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def advance_to(self, now: float) -> None:
        with self._changed:
            self._now = max(self._now, now)
            self._changed.notify_all()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        until = None if seconds is None else self._now + seconds
        with self._changed:
            while not event.is_set() and (until is None or self._now < until):
                # An event has no hook, so it is polled every millisecond of real time.
                self._changed.wait(0.001)
        return event.is_set()


class Waits(FakeClock):
    """Notes each wait of the threads of this name: whether its event was set before, and the seconds it is for."""

    def __init__(self, thread: str) -> None:
        super().__init__()
        self.noted: list[tuple[bool, float | None]] = []
        self._thread = thread

    @property
    def latest(self) -> tuple[bool, float | None] | None:
        return self.noted[-1] if self.noted else None

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        if threading.current_thread().name == self._thread:
            self.noted.append((event.is_set(), seconds))
        return super().wait(event, seconds)
