"""What a caller may be called."""

from __future__ import annotations

_LONGEST = 255


def owner_fault(owner: object) -> str | None:
    """Returns what keeps something from being a caller's name, as the rest of a sentence; None if nothing does."""
    if isinstance(owner, str) and 0 < len(owner) <= _LONGEST and owner.isprintable():
        return None
    return f"must be printable text of 1 to {_LONGEST} characters."
