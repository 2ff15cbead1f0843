"""Estimates from the records in memory: the numbers for a Timeline."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..core import (
    RUNNING,
    WAITING,
    Batch,
    BatchPlace,
    ByTurns,
    CallerDepth,
    Depth,
    Estimate,
    InOrder,
    Line,
    Place,
    Priority,
    Prospect,
    Quote,
    Slots,
    Starts,
    Stats,
    Timeline,
    accuracy_of,
    caller_of,
    may_be_early,
    rank_of,
)
from ..queue import Entry
from .fair import FairQueue
from .record import Record

if TYPE_CHECKING:
    from .state import MemoryState


def timeline_of(state: MemoryState, now: float) -> Timeline:
    """Returns the timeline of the upcoming starts."""
    state.first(now)  # for what it does: a retry that is due counts as ready from now on
    gate = state.gate.at(state.settings, now)
    slots = Slots(state.slots(now), state.leases.calls, state.leases.started, state.service, now)
    starts = Starts(now, gate.limiter, max(now, gate.hold_until), slots, state.backlog.total, state.aside)
    return Timeline(starts, gate.paused, state.backlog.parked, may_be_early(state.settings))


def new_prospect(state: MemoryState, priority: Priority, owner: str | None, count: int, now: float) -> Prospect:
    """Returns what is counted for an owner's submission of `count` batches, if it were accepted now."""
    ahead, place = end_of_line(state, priority, now)
    turns = state.fair.turns(priority, owner, place, state.aside) if state.fair else None
    return Prospect(place, ahead, count, 0, (), state.gate.pauses.cover(priority, owner), turns)


def end_of_line(state: MemoryState, priority: Priority, now: float) -> tuple[int, Place]:
    """Returns how many batches wait before an ingestion created now, and its place."""
    aging = state.settings.priority_aging
    new = rank_of(aging, priority, now), state.order + 1
    return state.backlog.ahead(new) if aging else state.backlog.up_to(priority), new


def prospect(state: MemoryState, record: Record) -> Prospect:
    """Returns what is counted for an unfinished ingestion's estimate."""
    place = record.place
    started = state.leases.started_of(record) if record.tally[RUNNING] else ()
    waiting, retrying, parked = record.waiting, record.tally[WAITING], record.parked
    if state.fair is None:
        return Prospect(place, state.backlog.ahead(place), waiting, retrying, started, parked)
    turns = state.fair.turns(record.priority, record.owner, place, state.aside)
    return Prospect(place, 0, waiting, retrying, started, parked, turns)


def _next_batches(state: MemoryState, limit: int, now: float) -> Line[tuple[Record, int]]:
    """Returns the due batches from which the next `limit` starts come, each as its record and position."""
    state.first(now)  # for what it does: nothing that is due is set aside then
    awaiting = sorted(state.serving.awaiting()) if state.serving else []
    if not isinstance(state.queue, FairQueue):
        return InOrder(_batches(heapq.merge(state.queue.in_order(), awaiting)))
    entries: dict[tuple[Priority, str], Iterable[Entry[Record]]] = {**state.queue.by_caller(limit)}
    for entry in awaiting:
        key = entry.owner.priority, caller_of(entry.owner.owner)
        entries[key] = heapq.merge(entries.get(key, ()), [entry])
    shares = {priority: one.copy() for priority, one in state.queue.shares.items()}
    aging = bool(state.settings.priority_aging)
    lines = {key: _batches(some) for key, some in entries.items()}
    return ByTurns(shares, lines, lambda batch: (batch[0].priority, caller_of(batch[0].owner)), aging=aging)


def quotes(state: MemoryState, count: int, owner: str | None, now: float) -> dict[Priority, Quote]:
    """Returns when an owner's submission of `count` batches would start and end at each priority."""
    return timeline_of(state, now).quotes(lambda priority: new_prospect(state, priority, owner, count, now))


def estimate(state: MemoryState, record: Record, now: float) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    return None if record.finished else timeline_of(state, now).estimate(prospect(state, record))


def stats(state: MemoryState, now: float) -> Stats:
    """Returns the state of the whole queue."""
    return Stats.of(
        state.gate.at(state.settings, now),
        state.settings,
        now,
        first_due=state.first_due(now),
        slots=state.slots(now),
        waiting=state.backlog,
        running=state.leases.calls,
        service=state.service,
        depths=depths(state, now),
        accuracy=accuracy_of(state.misses),
        failed=state.registry.failed,
        next_retry_at=state.aside.next_due(),
    )


def depths(state: MemoryState, now: float) -> dict[Priority, Depth]:
    """Returns the backlog of each priority."""
    found, timeline, aging = {}, timeline_of(state, now), bool(state.settings.priority_aging)
    for priority, lane in state.backlog.lanes.items():
        oldest = lane.oldest()
        oldest_at = oldest.created_at if oldest else None
        new = end_of_line(state, priority, now)
        found[priority] = timeline.depth(lane.total, oldest_at, *new, lane.parked, aging=aging)
    return found


def caller_depths(state: MemoryState, limit: int, owner: str | None) -> list[CallerDepth]:
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
    due = _next_batches(state, limit, now)
    retries = (
        (entry.due, (entry.rank, entry.order, entry.position), (entry.owner, entry.position))
        for entry in state.aside.entries()
    )
    return [
        (record.batches(range(position, position + 1))[0], start)
        for (record, position), start in timeline_of(state, now).upcoming(due, retries, limit)
        if owner in (None, record.owner)
    ]


def _batches(entries: Iterable[Entry[Record]]) -> Iterator[tuple[BatchPlace, tuple[Record, int]]]:
    """Yields the batches that entries stand for, each with its place, as often as it will start."""
    return (
        ((entry.rank, entry.order, position), (entry.owner, position))
        for entry in entries
        if not entry.owner.cancelled
        for position in entry.owner.in_line(entry.position)
        for _ in range(entry.owner.starts(position))
    )
