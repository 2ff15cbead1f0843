"""The crew: the threads that run batches, each holding a slot."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from ..core import Claim, is_stuck

_BRISK = 0.001
"""A thread whose batches take less than this many seconds works alone: 44,000 batches/s drain, instead of 12,000."""


class Slot(NamedTuple):
    """One batch, running since `started_at` (epoch seconds)."""

    claim: Claim
    started_at: float


class Hand:
    """One thread, with a slot for its current batch and a new one for each later batch.

    `given_up` is set once nothing waits for it any longer; it then takes no other batch. `reports` while it reports to
    the store, which may be away, and `reported_for` says for how many seconds it has during this attempt.
    """

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.given_up = threading.Event()
        self.reports = False
        self.reported_for = 0.0
        self.thread: threading.Thread | None = None
        # Threads compete in real time, whatever clock the queue uses.
        self._since = time.monotonic()
        self._was_brisk = False

    def is_brisk(self, now: float) -> bool:
        """Returns whether its last batch was quick, and its current one may still be."""
        return self._was_brisk and now - self._since < _BRISK

    def late_at(self, timeout: float, now: float) -> float:
        """Returns when its attempt will have taken too long (epoch seconds), not counting the time of its reports.

        While it reports that is in the future; its next attempt ends no sooner than `timeout` from now.
        """
        late_at = self.slot.started_at + self.reported_for + timeout
        return now + timeout if self.reports and late_at <= now else late_at

    def change(self, slot: Slot) -> None:
        """Move on to the next batch."""
        now = time.monotonic()
        self._was_brisk = now - self._since < _BRISK
        self.slot, self._since, self.reported_for = slot, now, 0.0


class Crew:
    """At most `size` hands. Thread-safe; each thread that leaves calls `on_idle`.

    With quick batches, several threads would spend their time passing locks to each other. So while one hand is brisk,
    others leave and none is added, unless the store can `group` the calls of several threads.
    """

    def __init__(self, name: str, size: int, *, group: bool, on_idle: Callable[[], None]) -> None:
        self.name = name
        self._size = size
        self._group = group
        self._on_idle = on_idle
        self._lock = threading.Lock()
        self._hands: set[Hand] = set()
        self._abandoned: set[Hand] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._hands)

    def resize(self, size: int) -> None:
        """Have another number of hands at most; those beyond it leave once their batch has ended."""
        self._size = size

    @property
    def free(self) -> int:
        """How many more batches may run."""
        return max(0, self._size - len(self._hands))

    @property
    def abandoned(self) -> int:
        """How many threads were given up and have not yet ended."""
        return len(self._abandoned)

    @property
    def is_stuck(self) -> bool:
        """Whether so many threads hang that no more may be started."""
        return is_stuck(self.abandoned, self._size)

    @property
    def is_brisk(self) -> bool:
        """Whether one hand currently keeps up alone."""
        return self._has_brisk(None)

    @property
    def closed(self) -> bool:
        """Whether no further batch may start."""
        return self._closed

    def open(self) -> None:
        """Let batches start."""
        self._closed = False

    def close(self) -> None:
        """Let no further batch start; running ones continue."""
        self._closed = True

    def start(self, slot: Slot, work: Callable[[Hand], None]) -> None:
        """Call `work` in a new thread. Raises RuntimeError if no thread can be started."""
        hand = Hand(slot)
        thread = threading.Thread(target=self._run, args=(hand, work), name=f"{self.name}-batch", daemon=True)
        hand.thread = thread
        with self._lock:
            self._hands.add(hand)
        try:
            thread.start()
        except RuntimeError:
            self._remove(hand)
            raise

    def stays(self, hand: Hand) -> bool:
        """Returns whether a hand that has finished its batch may claim another."""
        if hand.given_up.is_set() or self._closed or len(self._hands) > self._size:
            return False
        return len(self._hands) == 1 or not self._has_brisk(hand)

    def go_on(self, hand: Hand, slot: Slot) -> bool:
        """Give a hand its next slot, unless it was given up in the meantime or the crew is closed."""
        with self._lock:
            if hand.given_up.is_set() or self._closed:
                return False
            hand.change(slot)
            return True

    def slots(self) -> list[Slot]:
        """Returns the slots in use."""
        with self._lock:
            return [hand.slot for hand in self._hands]

    def late_at(self, timeout: float, now: float) -> float:
        """Returns when the first attempt will have taken too long (epoch seconds)."""
        with self._lock:
            return min((hand.late_at(timeout, now) for hand in self._hands), default=math.inf)

    def has(self, thread: threading.Thread) -> bool:
        """Returns whether a thread is that of a hand."""
        with self._lock:
            return any(hand.thread is thread for hand in self._hands)

    def give_up(self, condition: Callable[[Hand], bool]) -> list[Hand]:
        """Give up the hands that meet the condition, and return them; their threads end on their own."""
        with self._lock:
            hands = [hand for hand in self._hands if condition(hand)]
            for hand in hands:
                hand.given_up.set()
            self._hands.difference_update(hands)
            self._abandoned.update(hands)
        return hands

    def _run(self, hand: Hand, work: Callable[[Hand], None]) -> None:
        try:
            work(hand)
        finally:
            self._remove(hand)
            self._on_idle()

    def _remove(self, hand: Hand) -> None:
        with self._lock:
            self._hands.discard(hand)
            self._abandoned.discard(hand)

    def _has_brisk(self, but: Hand | None) -> bool:
        if self._group:
            return False
        now = time.monotonic()
        with self._lock:
            return any(hand.is_brisk(now) for hand in self._hands if hand is not but)
