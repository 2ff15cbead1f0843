"""What the headers of an answer say of time: Date and Retry-After."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime


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
