"""Takes what is paused out of the line, and back into it, a little in each turn so that nobody waits for it."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from ..config import Settings
from ..core import Pauses, Priority, Status
from .answers import STARTS
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import ASIDE, IS_LIVE, IS_PARKED, IS_SOMEBODYS, NOT_IN_LINE, PARKED, THIS, batches, ingestions
from .turns import Turn

_MOST = 100
"""Ingestions parked or put back in one turn at most."""

_in_line = (ingestions.c.instance == THIS, ingestions.c.parked.is_(False))
_OF_OWNER = (
    select(*INGESTION_COLUMNS)
    .where(*_in_line, ingestions.c.owner == bindparam("owner"), IS_SOMEBODYS)
    .order_by(ingestions.c.rank, ingestions.c.order)
    .limit(_MOST)
)
_OF_PRIORITY = (
    select(*INGESTION_COLUMNS)
    .where(*_in_line, ingestions.c.status == bindparam("status"), ingestions.c.priority == bindparam("priority"))
    .order_by(ingestions.c.order)
    .limit(_MOST)
)
_WHOSE = select(ingestions.c.priority, ingestions.c.owner).where(ingestions.c.instance == THIS, IS_PARKED).distinct()
_PARKED_OF = (
    select(*INGESTION_COLUMNS)
    .where(
        ingestions.c.instance == THIS,
        IS_PARKED,
        ingestions.c.priority == bindparam("priority"),
        ingestions.c.owner.is_not_distinct_from(bindparam("owner")),
    )
    .order_by(ingestions.c.order)
    .limit(_MOST)
)
_waiting = (
    batches.c.instance == THIS,
    batches.c.order == bindparam("of_order"),
    IS_LIVE,
    batches.c.line > NOT_IN_LINE,
)
_LINED = select(func.sum(STARTS)).where(*_waiting)
_LINE = {
    True: update(batches).where(*_waiting).values(line=PARKED),
    False: update(batches).where(*_waiting).values(line=ASIDE),
}
"""Keyed by whether they are parked; of those that are not, the next claim finds which are due."""


def place(turn: Turn, row: IngestionRow, *, parked: bool) -> None:
    """Take an ingestion out of the line, or back into it; its row is still to be saved."""
    if row.parked == parked:
        return
    waiting, ids = row.waiting, row.waiting_ids
    turn.wait(row, -waiting, -ids)
    row.parked = parked
    turn.wait(row, waiting, ids)
    row.open = int(not parked and not row.cancelled and row.cursor < row.batch_count)
    if waiting > row.batch_count - row.cursor:
        values = {"this": turn.queue.instance, "of_order": row.order}
        lined = turn.connection.execute(_LINED, values).scalar()
        turn.queue.lined += -lined if parked else lined
        turn.connection.execute(_LINE[parked], values)


def rearrange(turn: Turn, settings: Settings) -> bool:
    """Park some of what is paused, or put some back of what no longer is; returns whether there may be more."""
    pauses = turn.queue.pauses()
    rows = _in_line_still(turn, pauses) or _parked_still(turn, pauses)
    for row in rows:
        place(turn, row, parked=not row.parked)
    turn.save(rows)
    if any(not row.parked for row in rows):
        gate = turn.queue.gate(settings, turn.now)
        gate.resumed_at = gate.order_since = turn.now
        turn.queue.keep(gate)
    return bool(rows)


def _in_line_still(turn: Turn, pauses: Pauses) -> list[IngestionRow]:
    """Returns some of what is in line although it is paused."""
    this = {"this": turn.queue.instance}
    wanted = [(_OF_OWNER, {"owner": owner}) for owner in pauses.owners] + [
        (_OF_PRIORITY, {"priority": priority, "status": status.value})
        for priority in pauses.priorities
        for status in Status
        if not status.final
    ]
    for statement, values in wanted:
        if rows := turn.connection.execute(statement, this | values).all():
            return [IngestionRow(*row) for row in rows]
    return []


def _parked_still(turn: Turn, pauses: Pauses) -> list[IngestionRow]:
    """Returns some of what is parked although it is not paused."""
    this = {"this": turn.queue.instance}
    for priority, owner in turn.connection.execute(_WHOSE, this).all():
        if not pauses.cover(Priority(priority), owner):
            values = this | {"priority": priority, "owner": owner}
            return [IngestionRow(*row) for row in turn.connection.execute(_PARKED_OF, values).all()]
    return []
