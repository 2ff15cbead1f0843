"""Time that passes only when a test says so."""

from __future__ import annotations

import threading

START = 1_800_000_000.0


class FakeClock:
    """Stands still until `advance`; a `wait` ends when its event is set or its time has come.

    It counts from when its thread last looked at the clock: a test may advance it after the thread has found out how
    long to wait, and before it waits.
    """

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._changed = threading.Condition()
        self._looked = threading.local()

    def now(self) -> float:
        self._looked.at = now = self._now
        return now

    def reset(self) -> None:
        """Back to the start, for the next example of a property."""
        self._now = START

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._now += seconds
            self._looked.at = self._now
            self._changed.notify_all()

    def advance_to(self, now: float) -> None:
        with self._changed:
            self._now = max(self._now, now)
            self._looked.at = self._now
            self._changed.notify_all()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        began = min(getattr(self._looked, "at", self._now), self._now)
        until = None if seconds is None else began + seconds
        with self._changed:
            self._begins(event, seconds)
            while not event.is_set() and (until is None or self._now < until):
                # An event has no hook, so it is polled every millisecond of real time.
                self._changed.wait(0.001)
            self._looked.at = self._now
        return event.is_set()

    def _begins(self, event: threading.Event, seconds: float | None) -> None:
        """A wait whose end is settled."""


class Waits(FakeClock):
    """Notes each wait of the threads of this name: whether its event was set before, and the seconds it is for."""

    def __init__(self, thread: str) -> None:
        super().__init__()
        self.noted: list[tuple[bool, float | None]] = []
        self._thread = thread

    @property
    def latest(self) -> tuple[bool, float | None] | None:
        return self.noted[-1] if self.noted else None

    def _begins(self, event: threading.Event, seconds: float | None) -> None:
        if threading.current_thread().name == self._thread:
            self.noted.append((event.is_set(), seconds))
