"""The callbacks in this process, lost when it ends."""

from __future__ import annotations

import heapq
import threading
from collections import deque

from ..callbacks import Callback, CallbackState, Delivery, Outbox, Unsent, redriven
from ..config import Settings
from ..core import Clock
from .audits import AuditLog
from .record import Record
from .registry import SOME


class MemoryOutbox(Outbox):
    """Callbacks behind a lock of their own, which is held for no longer than a look-up."""

    def __init__(self, settings: Settings, clock: Clock, audits: AuditLog) -> None:
        self._tells_all = bool(settings.webhook_url)
        self._retention = settings.retention
        self._clock = clock
        self._audits = audits
        self._lock = threading.Lock()
        self._by_id: dict[str, Callback] = {}
        self._of: dict[str, list[str]] = {}
        self._due: list[tuple[float, str]] = []
        """A heap of when each is due; what has changed since is dropped when it comes up."""
        self._ended: deque[tuple[float, str]] = deque()
        self._counts = dict.fromkeys(CallbackState, 0)

    def add(self, record: Record) -> None:
        """Add the callback of an ingestion that ends now, if anybody is to be told."""
        if not self._tells_all and record.callback is None:
            return
        callback = Callback.of(record.snapshot(), record.callback, self._clock.now())
        with self._lock:
            self._of.setdefault(record.id, []).append(callback.id)
            self._put(callback)

    def claim(self, lease: float) -> Callback | float | None:
        now = self._clock.now()
        with self._lock:
            while self._due:
                at, callback_id = self._due[0]
                callback = self._by_id.get(callback_id)
                if callback is None or callback.state is not CallbackState.PENDING or callback.at != at:
                    heapq.heappop(self._due)
                elif at > now:
                    return at - now
                else:
                    heapq.heappop(self._due)
                    return self._put(callback.claimed(now, lease))
        return None

    def end(self, callback: Callback, delivery: Delivery) -> bool:
        now = self._clock.now()
        with self._lock:
            known = self._by_id.get(callback.id)
            if known is None or not known.is_latest(callback):
                return False
            self._put(known.after(delivery, now))
        return True

    def of(self, ingestion_id: str) -> list[Callback]:
        with self._lock:
            return self._newest_first(ingestion_id)

    def redrive(self, ingestion_id: str, by: str | None = None) -> int:
        now = self._clock.now()
        with self._lock:
            again = [one for one in self._newest_first(ingestion_id) if one.state is not CallbackState.SENT]
            for callback in again:
                self._put(callback.redriven(now))
        if again:
            self._audits.note(by, "redrive_callback", ingestion_id, *redriven(again))
        return len(again)

    def unsent(self) -> Unsent:
        with self._lock:
            return Unsent(self._counts[CallbackState.PENDING], self._counts[CallbackState.FAILED])

    def prune(self) -> bool:
        forgotten, some = self._clock.now() - self._retention, 0
        with self._lock:
            while some < SOME and self._ended and self._ended[0][0] <= forgotten:
                at, callback_id = self._ended.popleft()
                callback = self._by_id.get(callback_id)
                if callback is not None and callback.state is not CallbackState.PENDING and callback.at == at:
                    self._remove(callback)
                some += 1
        return some > 0

    def _newest_first(self, ingestion_id: str) -> list[Callback]:
        return [self._by_id[one] for one in reversed(self._of.get(ingestion_id, ()))]

    def _put(self, callback: Callback) -> Callback:
        """Add a callback, or replace what it was before."""
        if before := self._by_id.get(callback.id):
            self._counts[before.state] -= 1
        self._counts[callback.state] += 1
        self._by_id[callback.id] = callback
        if callback.state is CallbackState.PENDING:
            heapq.heappush(self._due, (callback.at, callback.id))
        else:
            self._ended.append((callback.at, callback.id))
        return callback

    def _remove(self, callback: Callback) -> None:
        del self._by_id[callback.id]
        self._counts[callback.state] -= 1
        others = self._of[callback.ingestion_id]
        others.remove(callback.id)
        if not others:
            del self._of[callback.ingestion_id]
