"""Times in the past as people type them."""

from __future__ import annotations

import re

import click

MOMENT = "an RFC 3339 time, or how long ago, as 90s, 30m, 8h or 2d"

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def moment(option: str, text: str | None) -> str | float | None:
    """Returns a time as the service takes it: seconds ago, or an RFC 3339 time, which the service checks.

    Raises UsageError for what looks like neither.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return float(ago[1]) * _SECONDS[ago[2].lower()]
    if not re.match(r"\d{4}-", text):
        raise click.UsageError(f"{option} must be {MOMENT}, not {text!r}.")
    return text
