"""Takes what is paused out of the line, and back into it, a little in each turn so that nobody waits for it."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select, tuple_, update

from ..core import Priority, Status
from .answers import STARTS
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import ASIDE, IS_LIVE, IS_PARKED, IS_SOMEBODYS, NOT_IN_LINE, PARKED, THIS, batches, ingestions
from .turns import ROWS, Turn, Turns
from .wire import Values

_MOST = 100
"""Ingestions parked or put back in one turn at most."""

_in_line = (ingestions.c.instance == THIS, ingestions.c.parked.is_(False))
_OF_OWNER = (
    select(*INGESTION_COLUMNS)
    .where(
        *_in_line,
        ingestions.c.owner == bindparam("owner"),
        IS_SOMEBODYS,
        tuple_(ingestions.c.rank, ingestions.c.order) > tuple_(bindparam("rank"), bindparam("order")),
    )
    .order_by(ingestions.c.rank, ingestions.c.order)
    .limit(_MOST)
)
_OF_PRIORITY = (
    select(*INGESTION_COLUMNS)
    .where(
        *_in_line,
        ingestions.c.status == bindparam("status"),
        ingestions.c.priority == bindparam("priority"),
        ingestions.c.order > bindparam("order"),
    )
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
        ingestions.c.order > bindparam("order"),
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


def place(turn: Turn, row: IngestionRow, *, parked: bool) -> int:
    """Take an ingestion out of the line, or back into it; its row is still to be saved.

    Returns how many of its batches that takes writing.
    """
    if row.parked == parked:
        return 0
    waiting, ids = row.waiting, row.waiting_ids
    turn.wait(row, -waiting, -ids)
    row.parked = parked
    turn.wait(row, waiting, ids)
    written = max(0, waiting - (row.batch_count - row.cursor))
    if written:
        turn.allow(written)
        values = {"this": turn.queue.instance, "of_order": row.order}
        lined = turn.connection.execute(_LINED, values).scalar()
        turn.queue.lined += -lined if parked else lined
        turn.connection.execute(_LINE[parked], values)
    return written


class Walk(NamedTuple):
    """The kinds of ingestions that may have to change sides, and the place up to which the first kind has been seen.

    So no turn looks again at what an earlier one has parked or put back.
    """

    kinds: list[tuple[Select[Any], Values]]
    rank: float = 0.0
    order: int = 0


def begin(turn: Turn) -> Walk:
    """Returns what is to be looked at: what is in line although it is paused, then what is parked although it is not.

    Whatever arrives, moves or is redriven from now on is placed as it should be.
    """
    pauses = turn.queue.pauses()
    kinds: list[tuple[Select[Any], Values]] = [(_OF_OWNER, {"owner": owner}) for owner in pauses.owners]
    kinds += [
        (_OF_PRIORITY, {"priority": priority, "status": status.value})
        for priority in pauses.priorities
        for status in Status
        if not status.final
    ]
    kinds += [
        (_PARKED_OF, {"priority": priority, "owner": owner})
        for priority, owner in turn.connection.execute(_WHOSE, {"this": turn.queue.instance})
        if not pauses.cover(Priority(priority), owner)
    ]
    return Walk(kinds)


def rearrange(turns: Turns) -> None:
    """Park what is paused, and put back what no longer is, even if a process was killed in the middle of it."""
    walk = turns.take(begin)
    while walk.kinds:
        walk = turns.take(partial(step, walk=walk))


def step(turn: Turn, walk: Walk) -> Walk:
    """Park some of what is paused, or put some back of what no longer is; returns what is left to be looked at."""
    pauses, rows, (kinds, rank, order) = turn.queue.pauses(), list[IngestionRow](), walk
    while kinds and not rows:
        (statement, values), rest = kinds[0], kinds[1:]
        values = {"this": turn.queue.instance, "rank": rank, "order": order, **values}
        rows = [IngestionRow(*row) for row in turn.connection.execute(statement, values)]
        if not rows:
            kinds, rank, order = rest, 0.0, 0
    changed, written = list[IngestionRow](), 0
    for row in rows:
        rank, order = row.rank, row.order
        # Somebody may have paused or resumed in the meantime.
        if row.parked != pauses.cover(Priority(row.priority), row.owner):
            written += place(turn, row, parked=not row.parked)
            changed.append(row)
        if written > ROWS:
            break
    turn.save(changed)
    if any(not row.parked for row in changed):
        gate = turn.gate()
        gate.resumed_at = gate.order_since = turn.now
        turn.queue.keep(gate)
    return Walk(kinds, rank, order)
