"""What happened in each minute of the last hour."""

from __future__ import annotations

import dataclasses
from collections import deque

from ..core import CHANGES, HOUR, Change, Gate, Minute, add_stops


class Minutes:
    """Figures by minutes of the clock since the epoch. Not thread-safe: called under the store's lock."""

    def __init__(self) -> None:
        self._minutes: dict[int, Minute] = {}
        self._number = -1.0
        self._current = Minute()
        self._changes: deque[Change] = deque(maxlen=CHANGES)

    def at(self, now: float) -> Minute:
        """Returns the figures of the current minute, to be added to."""
        number = now // 60
        if number != self._number:
            self._number = number
            self._current = self._minutes.setdefault(int(number), Minute())
            if len(self._minutes) > HOUR:
                del self._minutes[min(self._minutes)]
        return self._current

    def changed(self, gate: Gate, now: float) -> None:
        """Note what the gate is like from now on."""
        change = Change(now, gate.paused, gate.hold_until)
        if not self._changes or self._changes[-1][1:] != change[1:]:
            self._changes.append(change)

    def last_hour(self, now: float) -> dict[int, Minute]:
        """Returns the figures of the minutes in which something happened."""
        first = int(now // 60) - HOUR + 1
        found = {
            number: dataclasses.replace(minute, waits=minute.waits[:])
            for number, minute in self._minutes.items()
            if number >= first
        }
        add_stops(found, list(self._changes), now)
        return found
