"""An answer that must be there by a moment, however it comes."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from .final import FinalResponse

_UNTIL: ContextVar[float] = ContextVar("until")


@contextmanager
def reading_until(moment: float) -> Iterator[None]:
    """Each answer that begins within the block must be read by a moment on the monotonic clock."""
    token = _UNTIL.set(moment)
    try:
        yield
    finally:
        _UNTIL.reset(token)


class TimelyResponse(FinalResponse):
    """Raises TimeoutError where status, headers or body are not there in time.

    The timeout of a socket begins anew with each byte, so it does not bound an answer that drips.
    """

    def __init__(self, sock: socket.socket, *more: Any, **options: Any) -> None:
        super().__init__(_Timely(sock, _UNTIL.get()), *more, **options)  # type: ignore[arg-type]


class _Timely:
    """What http.client asks of a socket: a file to read from."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(_Bytes(self._sock, self._until))


class _Bytes(io.RawIOBase):
    def __init__(self, sock: socket.socket, until: float) -> None:
        self._sock = sock
        self._until = until
        self._longest = sock.gettimeout()
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left if self._longest is None else min(left, self._longest))
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
