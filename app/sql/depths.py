"""How much of each caller's waits, and for how long."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ScalarSelect, TextClause, bindparam, func, select

from ..core import CallerDepth, Priority, caller_of
from .callers import OF_CALLER
from .instance import View
from .lanes import callers
from .schema import IS_ASIDE, IS_AWAITING, IS_OPEN, IS_PARKED, IS_READY, THIS, batches, ingestions


def _oldest_in_line(state: TextClause) -> ScalarSelect[Any]:
    """Returns when the oldest of a caller's ingestions was submitted that has batches in line in a state."""
    # A sum, because SQLite would look for the least order in the order of all batches, once for each caller.
    order = select(func.min(batches.c.order + 0)).where(*OF_CALLER, state).correlate(callers).scalar_subquery()
    of_instance = ingestions.c.instance == callers.c.instance
    return select(ingestions.c.created_at).where(of_instance, ingestions.c.order == order).scalar_subquery()


_DEPTHS = select(
    callers.c.name,
    callers.c.priority,
    callers.c.waiting,
    select(ingestions.c.created_at)
    .where(ingestions.c.instance == callers.c.instance, ingestions.c.caller == callers.c.number, IS_OPEN)
    .order_by(ingestions.c.order)
    .limit(1)
    .scalar_subquery(),
    _oldest_in_line(IS_READY),
    _oldest_in_line(IS_ASIDE),
    _oldest_in_line(IS_AWAITING),
).where(callers.c.instance == THIS, callers.c.waiting > 0)
_OWN_DEPTHS = _DEPTHS.where(callers.c.name == bindparam("name"))
_PARKED = (
    select(ingestions.c.owner, ingestions.c.priority, func.sum(ingestions.c.waiting))
    .where(ingestions.c.instance == THIS, IS_PARKED)
    .group_by(ingestions.c.priority, ingestions.c.owner)
)


def caller_depths(view: View, limit: int, owner: str | None) -> list[CallerDepth]:
    """Returns what callers have waiting, of those that wait longest first."""
    if not view.queue.fair:
        return []
    this = {"this": view.queue.instance}
    rows = view.connection.execute(_DEPTHS if owner is None else _OWN_DEPTHS, this | {"name": owner})
    lined = {
        (Priority(priority), name): (count, min(one for one in oldest if one is not None))
        for name, priority, count, *oldest in rows
    }
    parked = {
        (Priority(priority), caller_of(name)): int(count)
        for name, priority, count in (view.connection.execute(_PARKED, this) if view.queue.parked else ())
        if count and owner in (None, name)
    }
    return CallerDepth.longest(lined, parked, limit)
