"""The final answer to a request, after any interim ones."""

from __future__ import annotations

import http.client
import io

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
