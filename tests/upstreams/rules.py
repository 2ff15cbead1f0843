"""How APIs limit their callers. Each rule is told of every call, with the moment, and says whether it is allowed."""

from __future__ import annotations

import threading
from collections import deque


class Sliding:
    """At most `most` calls in any window of `seconds`, wherever it begins."""

    def __init__(self, most: int, seconds: float) -> None:
        self.most = most
        self.seconds = seconds
        self._calls: deque[float] = deque()

    def allows(self, now: float) -> bool:
        while self._calls and self._calls[0] <= now - self.seconds:
            self._calls.popleft()
        self._calls.append(now)
        return len(self._calls) <= self.most

    @property
    def left(self) -> int:
        return max(0, self.most - len(self._calls))


class Fixed:
    """At most `most` calls in each window of `seconds`; the first ends at `ends_at` and has `left` of them."""

    def __init__(self, most: int, seconds: float, ends_at: float, left: int) -> None:
        self.most = most
        self.seconds = seconds
        self.ends_at = ends_at
        self.left = left

    def allows(self, now: float) -> bool:
        while now >= self.ends_at:
            self.ends_at += self.seconds
            self.left = self.most
        self.left -= 1
        return self.left >= 0


class Leaky:
    """A bucket that holds `size` calls and leaks `rate` a second."""

    def __init__(self, size: int, rate: float) -> None:
        self.size = size
        self.rate = rate
        self.level = 0.0
        self._at = 0.0

    def allows(self, now: float) -> bool:
        self.level = max(0.0, self.level - self.rate * (now - self._at)) + 1
        self._at = now
        return self.level <= self.size


class Serial:
    """At most `most` calls at a time: a block, which says whether it may run beside those that do."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._under_way = 0
        self._lock = threading.Lock()

    def __enter__(self) -> bool:
        with self._lock:
            self._under_way += 1
            return self._under_way <= self.most

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._under_way -= 1
