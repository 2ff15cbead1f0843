"""What a changed setting does to what is stored: ranks for PRIORITY_AGING, turns for FAIR, since when they hold."""

from __future__ import annotations

from sqlalchemy import Connection, Double, case, cast, delete, func, insert, literal, select, update

from ..config import Settings
from .callers import NO_TURNS, caller_number
from .lanes import BLOCK, caller_lanes, callers, lanes
from .rows import QueueRow
from .schema import IS_LIVE, NOT_IN_LINE, batches, ingestions, queues


def rank_anew(connection: Connection, instance: int, aging: float) -> None:
    """Recompute the rank of everything that waits, for a changed PRIORITY_AGING."""
    rank = ingestions.c.created_at + ingestions.c.priority * aging if aging else cast(ingestions.c.priority, Double)
    mine = ingestions.c.instance == instance
    connection.execute(update(queues).where(queues.c.instance == instance).values(aging=aging))
    connection.execute(update(ingestions).where(mine, ingestions.c.finished_at.is_(None)).values(rank=rank))
    same = (ingestions.c.instance == batches.c.instance) & (ingestions.c.order == batches.c.order)
    new_rank = select(ingestions.c.rank).where(same).scalar_subquery()
    connection.execute(update(batches).where(batches.c.instance == instance, IS_LIVE).values(rank=new_rank))
    connection.execute(delete(lanes).where(lanes.c.instance == instance))
    block = ingestions.c.order // BLOCK
    sums = (
        select(
            ingestions.c.instance,
            ingestions.c.priority,
            block,
            func.min(ingestions.c.rank),
            func.sum(ingestions.c.waiting),
        )
        .where(mine, ingestions.c.finished_at.is_(None), ingestions.c.parked.is_(False))
        .group_by(ingestions.c.instance, ingestions.c.priority, block)
    )
    connection.execute(insert(lanes).from_select(["instance", "priority", "block", "rank", "waiting"], sums))


def take_turns(connection: Connection, instance: int, *, fair: bool) -> None:
    """Let the callers take turns from now on, all as if they had had none yet; or no longer."""
    connection.execute(update(queues).where(queues.c.instance == instance).values(fair=NO_TURNS if fair else None))
    for table in (callers, caller_lanes):
        connection.execute(delete(table).where(table.c.instance == instance))
    if not fair:
        return
    unfinished = (ingestions.c.instance == instance, ingestions.c.finished_at.is_(None))
    name = func.coalesce(ingestions.c.owner, "")
    number = caller_number(func.min(ingestions.c.order), ingestions.c.priority)
    waiting = func.sum(case((ingestions.c.parked, 0), else_=ingestions.c.waiting))
    found = (
        select(ingestions.c.instance, number, ingestions.c.priority, name, literal(0), literal(0), waiting)
        .where(*unfinished)
        .group_by(ingestions.c.instance, ingestions.c.priority, name)
    )
    connection.execute(insert(callers).from_select([column.name for column in callers.c], found))
    own = select(callers.c.number).where(
        callers.c.instance == ingestions.c.instance,
        callers.c.priority == ingestions.c.priority,
        callers.c.name == name,
    )
    connection.execute(update(ingestions).where(*unfinished).values(caller=own.scalar_subquery()))
    same = (ingestions.c.instance == batches.c.instance) & (ingestions.c.order == batches.c.order)
    of_batch = select(ingestions.c.caller).where(same).scalar_subquery()
    in_line = (batches.c.instance == instance, batches.c.line > NOT_IN_LINE)
    connection.execute(update(batches).where(*in_line).values(caller=of_batch))
    block = ingestions.c.order // BLOCK
    sums = (
        select(ingestions.c.instance, ingestions.c.caller, block, waiting)
        .where(*unfinished)
        .group_by(ingestions.c.instance, ingestions.c.caller, block)
    )
    connection.execute(insert(caller_lanes).from_select([column.name for column in caller_lanes.c], sums))


def note_settings(connection: Connection, queue: QueueRow, settings: Settings, now: float) -> None:
    """Note the configured rate and order, and that they hold from now on where they are others than before."""
    gate = queue.gate(settings, now)
    gate.configure(settings, now)
    queue.keep(gate)
    if changes := queue.changes():
        connection.execute(update(queues).where(queues.c.instance == queue.instance).values(changes))
