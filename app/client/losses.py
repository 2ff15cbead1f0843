"""Why no answer came, in words, whatever carried the request."""

from __future__ import annotations

import os
import ssl

LOST = "the connection was lost before the answer was complete"
NOT_HTTP = "what answers there does not speak HTTP"


def too_slow(waited: float) -> str:
    return f"no answer within {round(waited, 2):g} s"


def why(error: OSError) -> str:
    """Returns what the system, or TLS, says of a connection."""
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
        return LOST
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted, {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        if "ALERT" not in (error.reason or ""):
            return "what answers there does not speak TLS; try http:// instead of https://"
    elif error.errno and error.errno > 0:
        return os.strerror(error.errno)  # asyncio has other words
    return (error.strerror or str(error)).rstrip(".")


def may_pass(error: BaseException | None) -> bool:
    """Returns whether another attempt may succeed: what is wrong with TLS stays wrong."""
    return isinstance(error, ssl.SSLEOFError) or not isinstance(error, ssl.SSLError)
