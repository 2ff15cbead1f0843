"""Estimates from the records in memory: the numbers for a Timeline."""

from __future__ import annotations

from ..core import Batch, CallerDepth, Depth, Estimate, Priority
from .record import Record
from .state import MemoryState


def estimate(state: MemoryState, record: Record, now: float) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    return None if record.finished else state.timeline(now).estimate(state.prospect(record))


def depths(state: MemoryState, now: float) -> dict[Priority, Depth]:
    """Returns the backlog of each priority."""
    found, timeline = {}, state.timeline(now)
    for priority, lane in state.backlog.lanes.items():
        oldest = lane.oldest()
        oldest_at = oldest.created_at if oldest else None
        found[priority] = timeline.depth(lane.total, oldest_at, *state.line(priority, now)[:2], lane.parked)
    return found


def callers(state: MemoryState, limit: int, owner: str | None) -> list[CallerDepth]:
    """Returns what callers have waiting, of those that wait longest first."""
    if state.fair is None:
        return []
    lanes = state.fair.backlog.lanes.items()
    lined = {
        (priority, caller): (lane.waiting[caller], oldest.created_at)
        for priority, lane in lanes
        for caller, oldest in lane.oldest_of_each().items()
        if owner in (None, caller)
    }
    parked = {
        (priority, caller): count
        for priority, lane in lanes
        for caller, count in lane.parked_of_each().items()
        if owner in (None, caller)
    }
    return CallerDepth.longest(lined, parked, limit)


def upcoming(state: MemoryState, limit: int, owner: str | None, now: float) -> list[tuple[Batch, float | None]]:
    """Returns the next `limit` batches in order with their starts; with an `owner`, only its own among them."""
    line = state.next_batches(now)
    retries = [
        (entry.due, (entry.rank, entry.order, entry.position), (entry.owner, entry.position))
        for entry in state.aside.entries(limit)
    ]
    return [
        (record.batches(range(position, position + 1))[0], start)
        for (record, position), start in state.timeline(now).upcoming(line, retries, limit)
        if owner in (None, record.owner)
    ]
