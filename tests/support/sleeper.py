"""Waits that take no time and are recorded."""

from __future__ import annotations

import threading

from .clock import FakeClock


class Sleeper(FakeClock):
    """A clock that each wait advances; `slept` records all waits."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        assert seconds is not None, "this wait would not end"
        self.slept.append(seconds)
        self.advance(seconds)
        return event.is_set()
