"""Knowing when, over the records in memory: the numbers for a Timeline."""

from __future__ import annotations

from collections.abc import Iterable

from ..config import Settings
from ..core import Depth, Estimate, Priority, Prospect, Timeline, rank_of
from .backlog import Backlog, place
from .record import Lease, Record


def estimate(record: Record, backlog: Backlog, timeline: Timeline, leases: Iterable[Lease]) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    if record.finished:
        return None
    now, dues = timeline.now, record.details.dues.values()
    started = [lease.claim.claimed_at for lease in leases if lease.record is record]
    return timeline.estimate(
        Prospect(
            backlog.ahead(place(record)),
            record.waiting,
            len(dues),
            min(dues, default=now),
            max(dues, default=now),
            started,
        )
    )


def depths(backlog: Backlog, timeline: Timeline, settings: Settings, order: int) -> dict[Priority, Depth]:
    """Returns what waits at each priority; `order` is that of the next ingestion."""
    found = {}
    for priority, lane in backlog.lanes.items():
        oldest = lane.oldest()
        if oldest is None:
            found[priority] = Depth()
        else:
            ahead = backlog.ahead((rank_of(settings, priority, timeline.now), order))
            found[priority] = timeline.depth(lane.total, oldest.created_at, ahead)
    return found
