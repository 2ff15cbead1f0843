"""The callers of a queue, where they take turns: who they are, and how much of theirs waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, case, delete, insert, select, update

from ..core import Priority, caller_of
from .lanes import BLOCK, caller_lanes, callers
from .rows import IngestionRow, QueueRow
from .schema import BY_CALLER, THIS, all_of, batches, ingestions
from .upsert import upsert
from .wire import Wire

NO_TURNS = json.dumps([0 for _ in Priority])
"""The virtual times of a queue in which no caller has had a turn."""

OF_CALLER = (
    batches.c.instance == callers.c.instance,
    batches.c.caller == callers.c.number,
    *BY_CALLER,
)
"""The batches in line of a caller, in a query of callers."""

_KNOWN = select(callers.c.number).where(
    callers.c.instance == THIS, callers.c.priority == bindparam("priority"), callers.c.name == bindparam("name")
)
_ADD = insert(callers).values(all_of(callers))
_WAIT = (
    update(callers)
    .where(callers.c.instance == bindparam("of_instance"), callers.c.number == bindparam("of_number"))
    .values(waiting=callers.c.waiting + bindparam("by"))
)
_GIVE_BACK = (
    update(callers)
    .where(
        callers.c.instance == bindparam("of_instance"),
        callers.c.priority == bindparam("of_priority"),
        callers.c.name == bindparam("of_name"),
    )
    .values(owed=case((callers.c.owed < 0, 1), else_=callers.c.owed + 1))
)


_LANE_CHANGE = upsert(caller_lanes, lambda new: {"waiting": caller_lanes.c.waiting + new.waiting})


def enlist(connection: Wire, queue: QueueRow, row: IngestionRow) -> int:
    """Returns the number of an ingestion's caller, which is added if it is not known."""
    name = caller_of(row.owner)
    key = {"priority": row.priority, "name": name}
    known = connection.execute(_KNOWN, {"this": queue.instance, **key}).scalar()
    if known is not None:
        return int(known)
    number: int = caller_number(row.order, row.priority)
    connection.execute(_ADD, {"instance": queue.instance, "number": number, **key, "tag": 0, "owed": 0, "waiting": 0})
    return number


def caller_number(order: Any, priority: Any) -> Any:
    """Returns the number of a caller, given the order of its first ingestion at a priority; no two have the same."""
    return order * len(Priority) + priority


def write_waiting(connection: Wire, queue: QueueRow, changes: Mapping[tuple[int, int], int]) -> None:
    """Write by how much the waiting batches of callers changed, by caller and block."""
    lanes = [
        {"instance": queue.instance, "caller": caller, "block": block, "waiting": by}
        for (caller, block), by in sorted(changes.items())
    ]
    of_each: dict[int, int] = {}
    for (caller, _), by in changes.items():
        of_each[caller] = of_each.get(caller, 0) + by
    connection.execute(_LANE_CHANGE[connection.is_sqlite], lanes)
    connection.execute(
        _WAIT, [{"of_instance": queue.instance, "of_number": one, "by": by} for one, by in sorted(of_each.items())]
    )


def give_back(connection: Wire, queue: QueueRow, priority: Priority, owner: str | None) -> None:
    """Record that a batch was put back untouched: its caller has that turn again."""
    values = {"of_instance": queue.instance, "of_priority": priority, "of_name": caller_of(owner)}
    connection.execute(_GIVE_BACK, values)


def prune(connection: Wire, queue: QueueRow) -> None:
    """Forget callers that have nothing unfinished, and whose tags say nothing any more."""
    for priority, now in zip(Priority, json.loads(queue.fair or NO_TURNS), strict=True):
        connection.execute(_FORGET, {"this": queue.instance, "priority": priority, "now": now})
    connection.execute(_EMPTY_LANES, {"this": queue.instance, "current": queue.orders // BLOCK})


_FORGET = delete(callers).where(
    callers.c.instance == THIS,
    callers.c.priority == bindparam("priority"),
    callers.c.owed <= 0,
    callers.c.tag - callers.c.owed <= bindparam("now"),
    callers.c.name != "",
    ~select(ingestions.c.order)
    .where(
        ingestions.c.instance == callers.c.instance,
        ingestions.c.owner == callers.c.name,
        ingestions.c.owner.is_not(None),
        ingestions.c.finished_at.is_(None),
    )
    .exists(),
)
_EMPTY_LANES = delete(caller_lanes).where(
    caller_lanes.c.instance == THIS, caller_lanes.c.waiting == 0, caller_lanes.c.block < bindparam("current")
)
