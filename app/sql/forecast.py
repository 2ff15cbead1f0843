"""Estimates from the SQL store's tables: the numbers for a Timeline."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, func, select

from ..core import (
    EXACT_RETRIES,
    MISSES,
    WAITING,
    Accuracy,
    Batch,
    BatchPlace,
    Depth,
    Estimate,
    InOrder,
    Line,
    Place,
    Priority,
    Prospect,
    Quote,
    accuracy_of,
    rank_of,
    statuses,
)
from . import fair
from .backlog import IN_BLOCK, ahead_of
from .instance import View
from .lanes import BLOCK, lanes
from .picks import Candidate, awaiting, pick, soonest
from .rows import IngestionRow
from .schema import BY_LEASE, IS_FINISHED, THIS, batches, ingestions

_FIRST_BLOCKS = (
    select(lanes.c.priority, func.min(lanes.c.block))
    .where(lanes.c.instance == THIS, lanes.c.waiting > 0)
    .group_by(lanes.c.priority)
)
_OLDEST = select(func.min(ingestions.c.created_at)).where(*IN_BLOCK, ingestions.c.waiting > 0)
# Found among all that run, which are few, where an ingestion may have very many batches.
_RUNNING = select(func.min(batches.c.started_at), func.max(batches.c.started_at)).where(
    batches.c.instance == THIS, *BY_LEASE, batches.c.order + 0 == bindparam("order")
)
_MISSES = (
    select(ingestions.c.miss)
    .where(ingestions.c.instance == THIS, IS_FINISHED, ingestions.c.miss.is_not(None))
    .order_by(ingestions.c.finished_at.desc())
    .limit(MISSES)
)


def new_prospect(view: View, priority: Priority, owner: str | None, count: int, now: float) -> Prospect:
    """Returns what is counted for an owner's submission of `count` batches, if it were accepted now."""
    ahead, place = end_of_line(view, priority, now)
    turns = fair.turns(view, priority, owner, place, new=True)
    return Prospect(place, ahead, count, 0, (), view.queue.pauses().cover(priority, owner), turns)


def end_of_line(view: View, priority: Priority, now: float) -> tuple[int, Place]:
    """Returns how many batches wait before an ingestion created now, and its place."""
    new = rank_of(view.queue.aging, priority, now), view.queue.orders + 1
    if view.queue.aging:
        return ahead_of(view, *new), new
    return sum(view.queue.waiting(other) for other in Priority if other <= priority), new


def quotes(view: View, count: int, owner: str | None) -> dict[Priority, Quote]:
    """Returns when an owner's submission of `count` batches would start and end at each priority."""
    return view.timeline().quotes(lambda priority: new_prospect(view, priority, owner, count, view.now))


def estimate(view: View, row: IngestionRow) -> Estimate | None:
    """Returns what an ingestion can expect, None once it has ended."""
    if row.finished:
        return None
    started: Sequence[float] = ()
    if row.running:
        started = view.connection.execute(_RUNNING, {"this": view.queue.instance, "order": row.order}).one()
    return view.timeline().estimate(prospect(view, row)._replace(started=started))


def prospect(view: View, row: IngestionRow) -> Prospect:
    """Returns what is counted for an unfinished ingestion's estimate, but for its running batches."""
    place, ahead, taken = (row.rank, row.order), 0, None
    if row.waiting and view.queue.fair:
        taken = fair.turns(view, Priority(row.priority), row.owner, place)
    elif row.waiting:
        ahead = ahead_of(view, *place)
    return Prospect(place, ahead, row.waiting, row.retrying, (), row.parked, taken)


def depths(view: View) -> dict[Priority, Depth]:
    """Returns the backlog of each priority."""
    timeline, queue = view.timeline(), view.queue
    oldest = {}
    for priority, block in view.connection.execute(_FIRST_BLOCKS, {"this": queue.instance}).all():
        values = {"this": queue.instance, "priority": priority, "first": block * BLOCK}
        oldest[priority] = view.connection.execute(_OLDEST, values).scalar()
    return {
        lane: timeline.depth(
            queue.waiting(lane),
            oldest.get(lane),
            *(end_of_line(view, lane, view.now) if lane in oldest else (0, (0.0, 0))),
            queue.waiting(lane, parked=True),
            aging=bool(queue.aging),
        )
        for lane in Priority
    }


def accuracy(view: View) -> Accuracy | None:
    """Returns how far off the estimates were for the latest ended ingestions."""
    return accuracy_of(miss for (miss,) in view.connection.execute(_MISSES, {"this": view.queue.instance}))


def upcoming(view: View, limit: int, owner: str | None) -> list[tuple[Batch, float | None]]:
    """Returns the next `limit` batches in order with their starts; with an `owner`, only its own among them."""
    status_of = statuses(cancelled=False)

    def told(one: Candidate) -> Batch:
        return one.batch(one.attempt, status_of[one.state])._replace(
            started_at=one.started_at if one.attempt else None,
            next_attempt_at=one.due if one.state == WAITING else None,
        )

    due: Line[Candidate]
    if view.queue.fair:
        due = fair.upcoming(view, limit)
    else:
        some = heapq.merge(pick(view, limit), awaiting(view, limit), key=lambda candidate: candidate.place)
        due = InOrder((one.place, one) for one in some for _ in range(one.answers.starts))

    def retries() -> Iterator[tuple[float, BatchPlace, Candidate]]:
        some = soonest(view, limit)
        yield from ((one.due, one.place, one) for one in some)
        if len(some) == limit:
            yield from ((one.due, one.place, one) for one in soonest(view, EXACT_RETRIES)[limit:])

    return [
        (told(one), start)
        for one, start in view.timeline().upcoming(due, retries(), limit)
        if owner in (None, one.row.owner)
    ]
