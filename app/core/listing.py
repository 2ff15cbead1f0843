"""Which ingestions a listing has."""

from __future__ import annotations

from typing import NamedTuple

from .models import Priority, Status


class Kind(NamedTuple):
    """What a filter can go by, beside owner and time; `failed` says whether any batch of the ingestion failed."""

    status: Status
    priority: Priority
    failed: bool


class Filter(NamedTuple):
    """Which ingestions are wanted; a member that is None or False takes all.

    `since` and `until` bound when they were submitted, in epoch seconds; `unfinished` leaves out what has ended.
    """

    status: Status | None = None
    priority: Priority | None = None
    owner: str | None = None
    failed: bool = False
    since: float | None = None
    until: float | None = None
    unfinished: bool = False

    def takes(self, kind: Kind) -> bool:
        """Returns whether the filter takes ingestions of this kind, if it takes their owner and time."""
        return (
            self.status in (None, kind.status)
            and self.priority in (None, kind.priority)
            and self.failed in (False, kind.failed)
            and not (self.unfinished and kind.status.final)
        )

    def takes_time(self, created_at: float) -> bool:
        """Returns whether the filter takes ingestions submitted then, if it takes their kind and owner."""
        return (self.since is None or created_at >= self.since) and (self.until is None or created_at <= self.until)


ANY = Filter()
"""Takes every ingestion."""
