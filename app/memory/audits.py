"""Who did what, and when."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from ..core import Audit, Clock


class AuditLog:
    """The latest entries, behind a lock of their own."""

    def __init__(self, size: int, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: deque[Audit] = deque(maxlen=size)

    def note(self, by: str | None, action: str, subject: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Record who did what."""
        with self._lock:
            number = self._entries[-1].number + 1 if self._entries else 1
            self._entries.append(Audit(number, self._clock.now(), by, action, subject, before, after))

    def latest(self, limit: int, before: int | None) -> list[Audit]:
        """Returns the latest entries, newest first."""
        with self._lock:
            log = list(self._entries)
        return [one for one in reversed(log) if before is None or one.number < before][:limit]
