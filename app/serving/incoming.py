"""A request while it arrives, and how long that may take."""

from __future__ import annotations

import time
from typing import Any

from waitress.parser import HTTPRequestParser
from waitress.utilities import Error

_HEADER_PATIENCE = 30.0
"""Seconds from a request's first byte until its header fields are whole."""

_BODY_PATIENCE, _SLOWEST = 60.0, 10_000
"""Seconds from a request's first byte until it is whole, and one more for so many bytes of its body.

A line of 80 kbit/s brings a body of any size in time, a slower one what fits the first minute.
"""


class TooSlow(Error):  # type: ignore[misc]  # waitress has no types
    code = 408


class NoRoom(Error):  # type: ignore[misc]
    code = 503


class Incoming(HTTPRequestParser):  # type: ignore[misc]
    """A request as far as it has arrived, since `began`."""

    path = ""  # waitress logs it of each that is not answered

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.began = time.time()

    def due(self) -> float:
        """Returns when it has to be whole, by what has come of it."""
        if not self.headers_finished:
            return self.began + _HEADER_PATIENCE
        return self.began + _BODY_PATIENCE + self.size / _SLOWEST

    def tardiness(self) -> str:
        """Returns what to say once it is overdue."""
        if not self.headers_finished:
            return f"The header fields did not come within {_HEADER_PATIENCE:g} s."
        return f"The body took longer than {_BODY_PATIENCE:g} s and 1 s more for each {_SLOWEST:,} bytes of it."

    @property
    def size(self) -> int:
        """How much of its body is kept, in bytes."""
        return int(self.body_bytes_received)
