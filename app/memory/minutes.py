"""How many batches started in each minute of the last hour."""

from __future__ import annotations

from ..core import HOUR


class Minutes:
    """Counts by minutes of the clock since the epoch. Not thread-safe: called under the store's lock."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, now: float) -> None:
        minute = int(now // 60)
        self._counts[minute] = self._counts.get(minute, 0) + 1
        if len(self._counts) > HOUR:
            del self._counts[min(self._counts)]

    def last_hour(self, now: float) -> dict[int, int]:
        first = int(now // 60) - HOUR + 1
        return {minute: count for minute, count in self._counts.items() if minute >= first}
