"""How long a batch steps aside whose calls do nothing but hold the queue."""

from __future__ import annotations

import threading
from typing import NamedTuple

from ..core import Batch, Claim
from .retry import RetryPolicy

_MOST = 1000
"""Batches remembered at most; one that is forgotten begins anew."""

_PROBE = 60.0
"""Most seconds for which a batch steps aside to see whether others get an answer."""


class _Row(NamedTuple):
    """How many holds in a row a batch had, and how many attempts had ended otherwise by the latest."""

    holds: int
    ended: int


class Holds:
    """The holds in a row of each batch. Its attempts do not count then, so it would be the next for ever.

    As a rule an upstream that asks for quiet means everybody; then the most urgent batch goes on asking. Where others
    got their answers meanwhile, it means that batch. Thread-safe.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self.in_a_row = 0
        self._policy = policy
        self._rows: dict[str, _Row] = {}
        self._ended = 0
        self._lock = threading.Lock()

    def delay(self, batch: Batch, seconds: float) -> float:
        """Returns in how many seconds a batch is due that asked for a hold of `seconds`; 0: once that is over."""
        batch_id = batch.id
        with self._lock:
            self.in_a_row += 1
            holds, ended = self._rows.pop(batch_id, _Row(0, self._ended))
            if len(self._rows) == _MOST:
                del self._rows[next(iter(self._rows))]
            self._rows[batch_id] = _Row(holds + 1, self._ended)
            others_ended = self._ended > ended
        if holds and others_ended:
            return seconds + self._policy.bound(holds)
        # At its second hold, its fourth, its eighth and so on, others are tried.
        is_probe = holds and holds & (holds + 1) == 0
        return seconds + min(_PROBE, self._policy.bound(holds)) if is_probe else 0.0

    def ended(self, call: Claim) -> None:
        """Record that a call ended without a hold."""
        if not self._rows:  # nearly always so; what ended before a row begins says nothing of it
            return
        with self._lock:
            self.in_a_row = 0
            self._ended += 1
            for one in call.all:
                self._rows.pop(one.batch.id, None)
