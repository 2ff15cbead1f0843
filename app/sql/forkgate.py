"""Keeps a fork out of the middle of a transaction."""

from __future__ import annotations

import threading
from types import TracebackType


class ForkGate:
    """Transactions enter and leave; a fork waits until none is inside and admits none until it is over.

    SQLite keeps a process' locks in memory. A child that is forked while another thread holds one inherits it for good,
    and can never write again ("How To Corrupt An SQLite Database File", section 2.6, on forks).
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Admit no transaction, and wait at most `seconds` until none is inside."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside, seconds)

    def open(self) -> None:
        """Admit transactions again."""
        with self._changed:
            self._closed = False
            self._changed.notify_all()
