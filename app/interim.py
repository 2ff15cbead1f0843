"""Interim answers of HTTP, which come before the final one (RFC 9110, section 15.2)."""

from __future__ import annotations

import http.client

_MOST = 16
"""Interim answers."""


class FinalResponse(http.client.HTTPResponse):
    """Skips every interim answer, such as 102 and 103; http.client takes all but 100 for the final one.

    That would leave the final one on the connection, as the answer to the next request. Raises HTTPException where
    they have no end.
    """

    _interim = 0

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if not 100 <= status < 200:
            return version, status, reason
        self._interim += 1
        if self._interim > _MOST:
            raise http.client.HTTPException(f"more than {_MOST} interim answers")
        return version, http.client.CONTINUE, reason
