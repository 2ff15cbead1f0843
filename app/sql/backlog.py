"""How many batches are ahead of a place in line."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, func, or_, select

from ..core import Priority
from .instance import View
from .lanes import BLOCK, caller_lanes, callers, lanes
from .schema import THIS, ingestions

_UP_TO = (
    select(lanes.c.priority, func.max(lanes.c.block), func.sum(lanes.c.waiting))
    .where(
        lanes.c.instance == THIS,
        lanes.c.rank <= bindparam("rank"),
        # A block that begins with the same rank is ahead only up to that of the place.
        (lanes.c.rank < bindparam("rank")) | (lanes.c.block <= bindparam("block")),
    )
    .group_by(lanes.c.priority)
)
IN_BLOCK = (
    ingestions.c.instance == THIS,
    ingestions.c.priority == bindparam("priority"),
    ingestions.c.parked.is_(False),
    ingestions.c.order >= bindparam("first"),
    ingestions.c.order < bindparam("first") + BLOCK,
)
_is_before = or_(
    ingestions.c.rank < bindparam("rank"),
    (ingestions.c.rank == bindparam("rank")) & (ingestions.c.order < bindparam("order")),
)
_IN_LAST_BLOCK = (
    select(ingestions.c.caller, func.sum(ingestions.c.waiting))
    .where(*IN_BLOCK, _is_before)
    .group_by(ingestions.c.caller)
)
_BEHIND = select(func.coalesce(func.sum(ingestions.c.waiting), 0)).where(*IN_BLOCK, ~_is_before)
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
        .where(*IN_BLOCK, ingestions.c.order < bindparam("order"))
        .scalar_subquery(),
        0,
    )
)
_own = (
    select(callers.c.number)
    .where(callers.c.instance == THIS, callers.c.priority == bindparam("priority"), callers.c.name == bindparam("name"))
    .scalar_subquery()
)
_OF_CALLER = select(
    func.coalesce(
        select(func.sum(caller_lanes.c.waiting))
        .where(
            caller_lanes.c.instance == THIS,
            caller_lanes.c.caller == _own,
            caller_lanes.c.block < bindparam("block"),
        )
        .scalar_subquery(),
        0,
    )
    + func.coalesce(
        select(func.sum(ingestions.c.waiting))
        .where(
            ingestions.c.instance == THIS,
            ingestions.c.order >= bindparam("first"),
            ingestions.c.order < bindparam("order"),
            ingestions.c.caller == _own,
            ingestions.c.parked.is_(False),
        )
        .scalar_subquery(),
        0,
    )
)


class Before(NamedTuple):
    """How many batches of a priority are in line before a place, and the last block that may have such."""

    priority: Priority
    block: int
    waiting: int


def ahead_of(view: View, rank: float, order: int) -> int:
    """Returns how many batches are in line before a place."""
    if not view.queue.aging and rank in _WEIGHTS:
        # In strict order, everything in more urgent lanes is ahead, and everything older in its own lane.
        own, block = Priority(int(rank)), order // BLOCK
        urgent = sum(view.queue.waiting(other) for other in Priority if other < own)
        values = {"this": view.queue.instance, "priority": own, "block": block, "first": block * BLOCK, "order": order}
        return urgent + int(view.connection.execute(_OLDER, values).scalar())
    return sum(one.waiting for one in before(view, rank, order))


def before(view: View, rank: float, order: int) -> list[Before]:
    """Returns what is in line before a place, of each priority that has such.

    Sums whole blocks, then subtracts what is after the place in each lane's last block.
    """
    values = {"this": view.queue.instance, "rank": rank, "order": order, "block": order // BLOCK}
    found = []
    for priority, block, waiting in view.connection.execute(_UP_TO, values).all():
        own = values | {"priority": priority, "first": block * BLOCK}
        behind = view.connection.execute(_BEHIND, own).scalar()
        found.append(Before(Priority(priority), block, int(waiting - behind)))
    return found


def in_last_block(view: View, one: Before, rank: float, order: int) -> dict[int, int]:
    """Returns how many of these batches are in the last block, of each caller that has such, by its number."""
    values = {"this": view.queue.instance, "rank": rank, "order": order, "priority": one.priority}
    rows = view.connection.execute(_IN_LAST_BLOCK, values | {"first": one.block * BLOCK}).all()
    return {caller: int(waiting) for caller, waiting in rows}


def of_caller(view: View, priority: Priority, caller: str, order: int) -> int:
    """Returns how many of a caller's batches are in line at a priority before those of the ingestion with an order."""
    block = order // BLOCK
    values = {"this": view.queue.instance, "priority": priority, "name": caller, "order": order}
    return int(view.connection.execute(_OF_CALLER, values | {"block": block, "first": block * BLOCK}).scalar())
