"""HTTP as its clients have to read it: which answer is the final one, until when it comes, how long it asks to wait."""

from __future__ import annotations

import http.client
import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

_MOST = 16
"""Interim answers."""

_UNTIL: ContextVar[float] = ContextVar("until")


class FinalResponse(http.client.HTTPResponse):
    """Skips every interim answer (RFC 9110, section 15.2), such as 102 and 103.

    http.client takes all but 100 for the final one, which would stay on the connection, as the answer to the next
    request. Raises HTTPException where they go on for ever, and IncompleteRead where headers end before the empty line
    (RFC 9112, section 8), for what is missing of them may be the length of a body.
    """

    _interim = 0

    def begin(self) -> None:
        """Read the headers."""
        stream = self.fp
        head = _Head(stream)
        self.fp = head  # type: ignore[assignment]
        super().begin()
        self.fp = stream
        if not head.last:
            raise http.client.IncompleteRead(b"")

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if not 100 <= status < 200:
            return version, status, reason
        self._interim += 1
        if self._interim > _MOST:
            raise http.client.HTTPException(f"more than {_MOST} interim answers")
        return version, http.client.CONTINUE, reason


class _Head:
    """The lines of a stream; `last` is the latest of them, empty at the end of the stream."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self.last = b""
        self._stream = stream

    def readline(self, limit: int) -> bytes:
        self.last = self._stream.readline(limit)
        return self.last

    def flush(self) -> None:
        """Do nothing: it is read only."""

    def close(self) -> None:
        self._stream.close()


@contextmanager
def reading_until(moment: float) -> Iterator[None]:
    """Within the block, answers begin that may be read until a moment on the monotonic clock."""
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


def seconds_to_wait(header: Callable[[str], str | None]) -> float | None:
    """Returns the seconds, from 0, of the Retry-After (RFC 9110, section 10.2.3) of an answer; None if it has none.

    `header` gives a header by its name in lower case. A date counts from the answer's own Date, where it has one, so
    the two clocks need not agree. Of several headers, as a proxy may add one, the longest wait counts.
    """
    value = header("retry-after") or ""
    waits = [seconds for one in value.split(",") if (seconds := whole_number(one)) is not None]
    if (until := http_date(value)) is not None:
        waits.append(max(0.0, until - sent_at(header)))
    return max(waits) if waits else None


def sent_at(header: Callable[[str], str | None]) -> float:
    """Returns when an answer was sent, in epoch seconds: its Date, else now."""
    sent = http_date(header("date") or "")
    return time.time() if sent is None else sent


def http_date(text: str) -> float | None:
    """Returns the epoch seconds of an HTTP-date in any of its three forms (RFC 9110, section 5.6.7), else None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def whole_number(text: str) -> float | None:
    """Returns a whole number in digits, None for anything else."""
    text = text.strip()
    return float(text) if text.isascii() and text.isdigit() else None
