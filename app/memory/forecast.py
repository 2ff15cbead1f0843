"""Knowing when, over the records in memory."""

from __future__ import annotations

from collections.abc import Iterable

from ..config import Settings
from ..core import Depth, Estimate, Priority, Timeline, rank_of
from .backlog import Backlog, place
from .record import Claim, Record


def estimate(
    record: Record, backlog: Backlog, timeline: Timeline, running: Iterable[Claim], *, paused: bool
) -> Estimate:
    """What an unfinished ingestion can expect."""
    now, ahead, waiting = timeline.now, backlog.ahead(place(record)), record.waiting
    ends = [max(now, claim.started_at + timeline.service) for claim in running if claim.record is record]
    if not waiting:
        return Estimate(0, None, max(ends), now)
    if paused:
        return Estimate(ahead, None, None, now if ends else None)
    # Only where every batch waits for its next attempt can none start before the first of these is due.
    due = min(record.dues.values()) if len(record.dues) == waiting else now
    completion = max(timeline.end(ahead + waiting - 1), *ends, *record.dues.values(), now)
    next_change = now if ends else max(timeline.earliest(ahead), due)
    return Estimate(ahead, max(timeline.start(ahead), due), completion, next_change)


def depths(
    backlog: Backlog, timeline: Timeline, settings: Settings, order: int, *, paused: bool
) -> dict[Priority, Depth]:
    """What waits at each priority; `order` is that of the next ingestion."""
    found = {}
    for priority, lane in backlog.lanes.items():
        oldest = lane.oldest()
        if oldest is None:
            found[priority] = Depth()
            continue
        last = backlog.ahead((rank_of(settings, priority, timeline.now), order)) - 1
        found[priority] = Depth(lane.total, oldest.created_at, None if paused else timeline.end(last))
    return found
