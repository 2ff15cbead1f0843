"""What was answered without a call, kept until somebody announces it."""

from __future__ import annotations

import threading
from typing import NamedTuple

from .models import Batch, Ingestion


class Served(NamedTuple):
    """A batch that ended without a call, because all that it asked was known; it has no `started_at`.

    `ingestion` is as it was then, `waited` the seconds since its submission.
    """

    batch: Batch
    ingestion: Ingestion
    waited: float


class ServedLog:
    """What this process served so far: the count of ids and of batches, and those batches that nobody has taken yet.

    Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: list[Served] = []
        self.ids = 0
        self.batches = 0

    def __bool__(self) -> bool:
        return bool(self._new)

    def add(self, served: Served | None, ids: int) -> None:
        """Count ids that were served just now, and add the batch that ended by that, if one did."""
        with self._lock:
            self.ids += ids
            if served:
                self._new.append(served)
                self.batches += 1

    def take(self) -> list[Served]:
        """Returns the batches that were added since the last call, oldest first."""
        with self._lock:
            new, self._new = self._new, []
        return new
