"""How long a batch steps aside whose calls do nothing but hold the queue."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from .retry import RetryPolicy

_MOST = 1000
"""Batches remembered at most; one that is forgotten begins anew."""


class Holds:
    """Counts the holds in a row of each batch. Its attempts do not count then, so it would be the next for ever.

    An upstream that asks for quiet means everybody, as a rule, so after its first hold a batch goes again as it would
    have. Thread-safe.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    def delay(self, batch_id: str, seconds: float) -> float:
        """Returns after how long a batch is due that asked for a hold of so many seconds."""
        with self._lock:
            count = self._counts.pop(batch_id, 0) + 1
            if len(self._counts) == _MOST:
                del self._counts[next(iter(self._counts))]
            self._counts[batch_id] = count
        return seconds + self._policy.bound(count - 1) if count > 1 else 0.0

    def over(self, batch_ids: Iterable[str]) -> None:
        """Record that batches ended an attempt without a hold."""
        if self._counts:
            with self._lock:
                for one in batch_ids:
                    self._counts.pop(one, None)
