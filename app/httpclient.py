"""HTTP as its clients have to read it: which answer is the final one, and how long it asks to wait."""

from __future__ import annotations

import http.client
import io
import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

_MOST = 16
"""Interim answers."""


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
