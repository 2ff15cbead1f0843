"""Which ingestions a listing has."""

from __future__ import annotations

from typing import NamedTuple

from .models import Priority, Status


class Kind(NamedTuple):
    """What a filter can tell apart of an ingestion; `failed` says whether any of its batches failed."""

    status: Status
    priority: Priority
    owner: str | None
    failed: bool


class Filter(NamedTuple):
    """None and False stand for any."""

    status: Status | None = None
    priority: Priority | None = None
    owner: str | None = None
    failed: bool = False

    def takes(self, kind: Kind) -> bool:
        """Returns whether the listing has ingestions of this kind."""
        return (
            self.status in (None, kind.status)
            and self.priority in (None, kind.priority)
            and self.owner in (None, kind.owner)
            and self.failed in (False, kind.failed)
        )


ANY = Filter()
"""Takes every ingestion."""
