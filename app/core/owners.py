"""What a caller may be called."""

from __future__ import annotations

LONGEST_OWNER = 255
"""Characters."""


def owner_fault(owner: object) -> str | None:
    """Returns what keeps something from being a caller's name, as the rest of a sentence; None if nothing does."""
    if isinstance(owner, str) and 0 < len(owner) <= LONGEST_OWNER and owner.isprintable():
        return None
    return f"must be printable text of 1 to {LONGEST_OWNER} characters."
