"""Knowing when, over the SQL store's tables: the numbers for a Timeline."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, or_, select

from ..config import Settings
from ..core import RUNNING, WAITING, Accuracy, Depth, Estimate, Measured, Priority, Prospect, Quote, rank_of
from .instance import View
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
_LIVE = (
    select(
        batches.c.state,
        func.count(),
        func.min(batches.c.started_at),
        func.max(batches.c.started_at),
        func.min(batches.c.due),
        func.max(batches.c.due),
    )
    .where(batches.c.instance == THIS, batches.c.order == bindparam("order"), IS_LIVE)
    .group_by(batches.c.state)
)
_MISSES = (
    select(ingestions.c.miss)
    .where(ingestions.c.instance == THIS, IS_FINISHED, ingestions.c.miss.is_not(None))
    .order_by(ingestions.c.finished_at.desc())
    .limit(1000)
)


def ahead_of(view: View, rank: float, order: int) -> int:
    """Returns how many batches wait before a place.

    Sums whole blocks, then subtracts what is behind the place in each lane's last block.
    """
    values: dict[str, Any] = {"this": view.queue.instance, "rank": rank, "order": order}
    if not view.queue.aging and rank in _WEIGHTS:
        # Strict order: ahead are all of the more urgent lanes, and what is older in its own.
        own = Priority(int(rank))
        urgent = sum(view.queue.waiting(other) for other in Priority if other < own)
        more = {"priority": own, "block": order // BLOCK, "first": order // BLOCK * BLOCK}
        return urgent + int(view.connection.execute(_OLDER, values | more).scalar())
    total = 0
    for priority, block, waiting in view.connection.execute(_UP_TO, values).all():
        total += waiting
        total -= view.connection.execute(_BEHIND, values | {"priority": priority, "first": block * BLOCK}).scalar()
    return int(total)


def ahead_of_new(view: View, settings: Settings, priority: Priority, now: float) -> int:
    """Returns how many batches wait before an ingestion created now."""
    if settings.priority_aging:
        return ahead_of(view, rank_of(settings, priority, now), view.queue.orders + 1)
    return sum(view.queue.waiting(other) for other in Priority if other <= priority)


def quotes(view: View, settings: Settings, count: int) -> dict[Priority, Quote]:
    """Returns when a submission of `count` batches would start and end at each priority."""
    timeline = view.queue.timeline(settings, view.now)
    return timeline.quotes(lambda priority: ahead_of_new(view, settings, priority, view.now), count)


def estimate(view: View, settings: Settings, row: IngestionRow) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    if row.finished:
        return None
    by_state = {}
    if row.running or row.retrying:
        live = view.connection.execute(_LIVE, {"this": view.queue.instance, "order": row.order})
        by_state = {state: figures for state, *figures in live}
    started = by_state[RUNNING][1:3] if RUNNING in by_state else ()
    retrying, _, _, first_due, last_due = by_state.get(WAITING, (0, None, None, view.now, view.now))
    prospect = Prospect(
        ahead_of(view, row.rank, row.order) if row.waiting else 0,
        row.waiting,
        retrying,
        first_due,
        last_due,
        started,
    )
    return view.queue.timeline(settings, view.now).estimate(prospect)


def depths(view: View, settings: Settings) -> dict[Priority, Depth]:
    """Returns what waits at each priority."""
    timeline = view.queue.timeline(settings, view.now)
    found = {priority: Depth() for priority in Priority}
    for priority, block in view.connection.execute(_FIRST_BLOCKS, {"this": view.queue.instance}).all():
        values = {"this": view.queue.instance, "priority": priority, "first": block * BLOCK}
        oldest_at = view.connection.execute(_OLDEST, values).scalar()
        lane = Priority(priority)
        ahead = ahead_of_new(view, settings, lane, view.now)
        found[lane] = timeline.depth(view.queue.waiting(lane), oldest_at, ahead)
    return found


def accuracy(view: View) -> Accuracy | None:
    """Returns how far off the estimates of the latest ended ingestions were."""
    measured = Measured()
    for (miss,) in view.connection.execute(_MISSES, {"this": view.queue.instance}):
        measured.missed_by(miss)
    return measured.accuracy()
