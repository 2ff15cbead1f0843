"""How many batches are ahead of a place in line."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, or_, select

from ..core import Priority
from .instance import View
from .schema import BLOCK, THIS, ingestions, lanes

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
_BEHIND = select(func.coalesce(func.sum(ingestions.c.waiting), 0)).where(
    *IN_BLOCK,
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
        .where(*IN_BLOCK, ingestions.c.order < bindparam("order"))
        .scalar_subquery(),
        0,
    )
)


def ahead_of(view: View, rank: float, order: int, *, but: Priority | None = None) -> int:
    """Returns how many batches are in line before a place, of every priority but one if that is given.

    Sums whole blocks, then subtracts what is after the place in each lane's last block.
    """
    values: dict[str, Any] = {"this": view.queue.instance, "rank": rank, "order": order, "block": order // BLOCK}
    if not view.queue.aging and rank in _WEIGHTS:
        # In strict order, everything in more urgent lanes is ahead, and everything older in its own lane.
        own = Priority(int(rank))
        urgent = sum(view.queue.waiting(other) for other in Priority if other < own)
        more = {"priority": own, "first": order // BLOCK * BLOCK}
        return urgent + int(view.connection.execute(_OLDER, values | more).scalar())
    total = 0
    for priority, block, waiting in view.connection.execute(_UP_TO, values).all():
        if priority == but:
            continue
        total += waiting
        total -= view.connection.execute(_BEHIND, values | {"priority": priority, "first": block * BLOCK}).scalar()
    return int(total)
