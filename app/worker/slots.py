"""The slots: which batches are in process, and by which threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..core import Batch
from ..signals import Attempt

_QUICK = 0.001
"""Seconds below which a batch was in process for too short a time to be worth a thread of its own."""


class Slot:
    """One batch in process. `given_up` is set once its outcome is no longer waited for."""

    def __init__(self, batch: Batch, started_at: float) -> None:
        self.batch = batch
        self.started_at = started_at
        self.given_up = threading.Event()
        self.thread: threading.Thread | None = None

    def attempt(self, now: float) -> Attempt:
        """The attempt that ends now."""
        return Attempt.of(self.batch, self.started_at, now)


class Slots:
    """Thread-safe. A thread that is done with its batch goes on with the next one in the same slot.

    Where batches are quick, several threads would only stand in each other's way; then one of them rushes on through
    what is due, and the others leave. Not where threads that `share` the store gain from coming together.
    """

    def __init__(self, *, share: bool) -> None:
        self._lock = threading.Lock()
        self._slots: set[Slot] = set()
        self._share = share
        self._rushing: Slot | None = None
        self._rushed = 0

    def __len__(self) -> int:
        return len(self._slots)

    def add(self, slot: Slot) -> None:
        with self._lock:
            self._slots.add(slot)

    def free(self, slot: Slot) -> None:
        with self._lock:
            self._slots.discard(slot)
            if self._rushing is slot:
                self._rushing = None

    def batches(self) -> list[Batch]:
        with self._lock:
            return [slot.batch for slot in self._slots]

    def oldest_start(self) -> float | None:
        """When the batch that has been in process for longest started."""
        with self._lock:
            return min((slot.started_at for slot in self._slots), default=None)

    def has(self, thread: threading.Thread) -> bool:
        """Whether this is the thread of one of them."""
        with self._lock:
            return any(slot.thread is thread for slot in self._slots)

    def give_up(self, condition: Callable[[Slot], bool]) -> list[Slot]:
        """Stop waiting for those that fulfil the condition, and free them; their threads end when they can."""
        with self._lock:
            slots = [slot for slot in self._slots if condition(slot)]
            for slot in slots:
                slot.given_up.set()
            self._slots.difference_update(slots)
        return slots

    def stays(self, slot: Slot, now: float) -> bool:
        """Whether the slot's thread, which is done with its batch, is to look for another one."""
        with self._lock:
            quick = not self._share and now - slot.started_at < _QUICK
            if self._rushing in (None, slot):
                self._rushing = slot if quick else None
                return True
            return not quick

    def go_on(self, slot: Slot, batch: Batch, now: float) -> bool:
        """Put the next batch into a slot, unless it was given up meanwhile."""
        with self._lock:
            if slot.given_up.is_set():
                return False
            slot.batch, slot.started_at = batch, now
            self._rushed += slot is self._rushing
            return True

    def rush(self, pause: Callable[[], object]) -> bool:
        """Whether a thread rushes on, as what it does during the `pause` tells."""
        before = self._rushed
        if self._rushing is None:
            return False
        pause()
        with self._lock:
            if self._rushed == before:
                self._rushing = None
        return self._rushed != before
