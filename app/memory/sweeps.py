"""The sweeps in this process, lost when it ends."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..core import Clock, Ingestion, Sweep, Sweeps, same_sweep
from ..errors import Refusal
from . import controls
from .state import MemoryState


class MemorySweeps(Sweeps):
    """Behind the lock of their store."""

    def __init__(self, lock: threading.Lock, state: MemoryState, clock: Clock) -> None:
        self._lock = lock
        self._state = state
        self._clock = clock
        self._all: dict[str, Sweep] = {}

    def add(self, sweep: Sweep) -> tuple[Sweep, bool]:
        with self._lock:
            now = self._clock.now()
            forgotten = self._state.settings.forgotten(now)
            for known in list(self._all.values()):
                if known.finished_at is not None and known.finished_at <= forgotten:
                    del self._all[known.id]
                elif known.key == sweep.key is not None and known.by == sweep.by:
                    return same_sweep(known, sweep), False
            added = self._all[sweep.id] = sweep._replace(created_at=now, cursor=self._state.order + 1)
            self._state.audits.note(*added.audit)
            return added, True

    def claim(self, lease: float) -> Sweep | float | None:
        with self._lock:
            now = self._clock.now()
            pending = [one for one in self._all.values() if one.finished_at is None]
            for one in pending:
                if one.lease_until <= now:
                    claimed = self._all[one.id] = one._replace(lease_until=now + lease)
                    return claimed
            return min((one.lease_until - now for one in pending), default=None)

    def act(
        self, sweep: Sweep, ids: Sequence[str], cursor: int, lease: float, *, last: bool
    ) -> tuple[Sweep, list[Ingestion]] | None:
        with self._lock:
            now, known = self._clock.now(), self._all.get(sweep.id)
            if known is None or known.lease_until != sweep.lease_until:
                return None
            acted = [one for ingestion_id in ids if (one := self._on(known, ingestion_id, now))]
            after = self._all[sweep.id] = known.after(len(acted), cursor, now, lease, last=last)
            return after, acted

    def _on(self, sweep: Sweep, ingestion_id: str, now: float) -> Ingestion | None:
        """Redrive an ingestion or cancel it; returns None where it is refused, or cancelled already."""
        try:
            record = self._state.record(ingestion_id)
            if sweep.verb == "redrive":
                controls.redrive(self._state, record, sweep.by, now, audited=False)
            elif not controls.cancel(self._state, record, sweep.by, now, audited=False):
                return None
        except Refusal:
            return None
        return record.snapshot()

    def release(self, sweep: Sweep) -> None:
        with self._lock:
            known = self._all.get(sweep.id)
            if known is not None and known.lease_until == sweep.lease_until:
                self._all[sweep.id] = known._replace(lease_until=0.0)

    def get(self, sweep_id: str) -> Sweep | None:
        with self._lock:
            return self._all.get(sweep_id)

    def latest(self, limit: int) -> list[Sweep]:
        with self._lock:
            return list(reversed(self._all.values()))[:limit]
