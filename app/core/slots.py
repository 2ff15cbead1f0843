"""When a slot is free: idle ones first, then each as its batch should end."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class Slots:
    """`size` slots in all workers, of which `running` batches take some; each is expected to run for `service` seconds.

    Times are epoch seconds. `started` returns when the running batches started, and is called only if slots matter.
    """

    def __init__(
        self, size: int, running: int, started: Callable[[], Iterable[float]], service: float, now: float
    ) -> None:
        self.service = service
        self._size = size
        self._idle = size - running
        self._started = started
        self._now = now
        self._ends: list[float] | None = None

    def expected_end(self, started: float) -> float:
        """Returns when a batch that started at `started` should end.

        One that has outlasted the mean is expected to need as long again as it is already late.
        """
        late = self._now - started - self.service
        return self._now + max(late, -late)

    def free_at(self, nth: int) -> float:
        """Returns when a slot is free for the nth start from now (from 0)."""
        if not self.service:
            return self._now
        rounds, which = divmod(nth, self._size)
        if which < self._idle:
            return self._now + rounds * self.service
        if self._ends is None:
            self._ends = sorted(map(self.expected_end, self._started()))
        # Where more run than there are slots, the first to end free none.
        free_at = self._ends[which - self._idle] if self._ends else self._now
        return free_at + rounds * self.service
