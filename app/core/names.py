"""What a caller or an idempotency key may be called."""

from __future__ import annotations

from .characters import unprintable_in

LONGEST_NAME = 255
"""Characters."""


def name_fault(name: object) -> str | None:
    """Returns what keeps something from being a name, as the rest of a sentence; None if nothing does."""
    if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and unprintable_in(name) is None:
        return None
    return f"must be printable text of 1 to {LONGEST_NAME} characters."
