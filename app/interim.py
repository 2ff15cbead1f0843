"""Interim answers of HTTP, which come before the final one (RFC 9110, section 15.2)."""

from __future__ import annotations

import http.client


class FinalResponse(http.client.HTTPResponse):
    """Skips every interim answer, such as 102 and 103; http.client takes all but 100 for the final one.

    That would leave the final one on the connection, as the answer to the next request.
    """

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, http.client.CONTINUE if 100 <= status < 200 else status, reason
