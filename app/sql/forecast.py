"""Estimates from the SQL store's tables: the numbers for a Timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from ..config import Settings
from ..core import (
    RUNNING,
    Accuracy,
    Batch,
    Depth,
    Estimate,
    Measured,
    Place,
    Priority,
    Prospect,
    Quote,
    rank_of,
    statuses,
)
from .instance import View
from .picks import pick, soonest
from .rows import IngestionRow
from .schema import BLOCK, IS_FINISHED, IS_LIVE, THIS, batches, ingestions, lanes

_UP_TO = (
    select(lanes.c.priority, func.max(lanes.c.block), func.sum(lanes.c.waiting))
    .where(lanes.c.instance == THIS, lanes.c.rank <= bindparam("rank"))
    .group_by(lanes.c.priority)
)
_in_block = (
    ingestions.c.instance == THIS,
    ingestions.c.priority == bindparam("priority"),
    ingestions.c.parked.is_(False),
    ingestions.c.order >= bindparam("first"),
    ingestions.c.order < bindparam("first") + BLOCK,
)
_BEHIND = select(func.coalesce(func.sum(ingestions.c.waiting), 0)).where(
    *_in_block,
    or_(
        ingestions.c.rank > bindparam("rank"),
        (ingestions.c.rank == bindparam("rank")) & (ingestions.c.order >= bindparam("order")),
    ),
)
_WEIGHTS = {float(priority) for priority in Priority}
_OLDER = select(
    func.coalesce(
        select(func.sum(lanes.c.waiting))
        .where(lanes.c.instance == THIS, lanes.c.priority == bindparam("priority"), lanes.c.block < bindparam("block"))
        .scalar_subquery(),
        0,
    )
    + func.coalesce(
        select(func.sum(ingestions.c.waiting))
        .where(*_in_block, ingestions.c.order < bindparam("order"))
        .scalar_subquery(),
        0,
    )
)
_FIRST_BLOCKS = (
    select(lanes.c.priority, func.min(lanes.c.block))
    .where(lanes.c.instance == THIS, lanes.c.waiting > 0)
    .group_by(lanes.c.priority)
)
_OLDEST = select(func.min(ingestions.c.created_at)).where(*_in_block, ingestions.c.waiting > 0)
_RUNNING = select(func.min(batches.c.started_at), func.max(batches.c.started_at)).where(
    batches.c.instance == THIS, batches.c.order == bindparam("order"), IS_LIVE, batches.c.state == RUNNING
)
_MISSES = (
    select(ingestions.c.miss)
    .where(ingestions.c.instance == THIS, IS_FINISHED, ingestions.c.miss.is_not(None))
    .order_by(ingestions.c.finished_at.desc())
    .limit(1000)
)


def ahead_of(view: View, rank: float, order: int) -> int:
    """Returns how many batches are in line before a place.

    Sums whole blocks, then subtracts what is after the place in each lane's last block.
    """
    values: dict[str, Any] = {"this": view.queue.instance, "rank": rank, "order": order}
    if not view.queue.aging and rank in _WEIGHTS:
        # In strict order, everything in more urgent lanes is ahead, and everything older in its own lane.
        own = Priority(int(rank))
        urgent = sum(view.queue.waiting(other) for other in Priority if other < own)
        more = {"priority": own, "block": order // BLOCK, "first": order // BLOCK * BLOCK}
        return urgent + int(view.connection.execute(_OLDER, values | more).scalar())
    total = 0
    for priority, block, waiting in view.connection.execute(_UP_TO, values).all():
        total += waiting
        total -= view.connection.execute(_BEHIND, values | {"priority": priority, "first": block * BLOCK}).scalar()
    return int(total)


def line(view: View, settings: Settings, priority: Priority, now: float) -> tuple[int, Place]:
    """Returns how many batches wait before an ingestion created now, and its place."""
    new = rank_of(settings, priority, now), view.queue.orders + 1
    if settings.priority_aging:
        return ahead_of(view, *new), new
    return sum(view.queue.waiting(other) for other in Priority if other <= priority), new


def quotes(view: View, settings: Settings, count: int, owner: str | None) -> dict[Priority, Quote]:
    """Returns when a submission of `count` batches would start and end at each priority."""
    timeline, pauses = view.timeline(settings), view.queue.pauses()
    return timeline.quotes(
        lambda priority: line(view, settings, priority, view.now), count, lambda priority: pauses.cover(priority, owner)
    )


def estimate(view: View, settings: Settings, row: IngestionRow) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    if row.finished:
        return None
    started: Sequence[float] = ()
    if row.running:
        started = view.connection.execute(_RUNNING, {"this": view.queue.instance, "order": row.order}).one()
    ahead = ahead_of(view, row.rank, row.order) if row.waiting else 0
    place = row.rank, row.order
    prospect = Prospect(place, ahead, row.waiting, row.retrying, started, row.parked)
    return view.timeline(settings).estimate(prospect)


def depths(view: View, settings: Settings) -> dict[Priority, Depth]:
    """Returns the backlog of each priority."""
    timeline, queue = view.timeline(settings), view.queue
    oldest = {}
    for priority, block in view.connection.execute(_FIRST_BLOCKS, {"this": queue.instance}).all():
        values = {"this": queue.instance, "priority": priority, "first": block * BLOCK}
        oldest[priority] = view.connection.execute(_OLDEST, values).scalar()
    return {
        lane: timeline.depth(
            queue.waiting(lane),
            oldest.get(lane),
            *(line(view, settings, lane, view.now) if lane in oldest else (0, (0.0, 0))),
            queue.waiting(lane, parked=True),
        )
        for lane in Priority
    }


def accuracy(view: View) -> Accuracy | None:
    """Returns how far off the estimates were for the latest ended ingestions."""
    measured = Measured()
    for (miss,) in view.connection.execute(_MISSES, {"this": view.queue.instance}):
        measured.missed_by(miss)
    return measured.accuracy()


def upcoming(view: View, settings: Settings, limit: int, owner: str | None) -> list[tuple[Batch, float | None]]:
    """Returns the next `limit` batches in order with their starts; with an `owner`, only its own among them."""
    status_of = statuses(cancelled=False)
    ready = ((candidate.place, candidate) for candidate in pick(view, limit) for _ in range(candidate.answers.starts))
    retries = [(candidate.due, candidate.place, candidate) for candidate in soonest(view, limit)]
    return [
        (one.batch(one.attempt, status_of[one.state]), start)
        for one, start in view.timeline(settings).upcoming(ready, retries, limit)
        if owner in (None, one.row.owner)
    ]
