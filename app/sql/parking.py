"""Takes what is paused out of the line, and back into it, a little in each turn so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import starmap
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select, tuple_, update

from ..core import Priority, Status
from .answers import STARTS
from .instance import Instance, View
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import ASIDE, IS_LIVE, IS_PARKED, IS_SOMEBODYS, NOT_IN_LINE, PARKED, THIS, batches, ingestions
from .together import among
from .turns import ROWS, Turn, Turns
from .wire import Values

_MOST = 100
"""Ingestions, or kinds of them, looked at in one turn at most."""

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
    .limit(bindparam("most"))
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
    .limit(bindparam("most"))
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
    .limit(bindparam("most"))
)
WAITING = (
    batches.c.instance == THIS,
    batches.c.order == bindparam("of_order"),
    IS_LIVE,
    batches.c.line > NOT_IN_LINE,
)
"""The batches of an ingestion that have a row and wait, in line or parked."""

COUNT_WAITING = select(func.sum(STARTS)).where(*WAITING)
"""How many starts they need."""

_LINE = {
    True: update(batches).where(*WAITING).values(line=PARKED),
    False: update(batches).where(*WAITING).values(line=ASIDE),
}
"""Keyed by whether they are parked; of those that are not, the next claim finds which are due."""
_PARK = {
    is_sqlite: update(ingestions)
    .where(ingestions.c.instance == THIS, is_among)
    .values(parked=bindparam("to_parked"), open=bindparam("to_open"))
    for is_sqlite, is_among in among(ingestions.c.order).items()
}


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
        lined = turn.connection.execute(COUNT_WAITING, values).scalar()
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


def begin(view: View) -> Walk:
    """Returns what is to be looked at: what is in line although it is paused, then what is parked although it is not.

    Whatever arrives, moves or is redriven from now on is placed as it should be. Takes no turn, because it looks at
    all that is parked.
    """
    pauses = view.queue.pauses()
    in_line: list[list[tuple[Select[Any], Values]]] = [[(_OF_OWNER, {"owner": owner})] for owner in pauses.owners]
    in_line += [
        [(_OF_PRIORITY, {"priority": priority, "status": status.value}) for status in Status if not status.final]
        for priority in pauses.priorities
    ]
    first = {"this": view.queue.instance, "rank": 0.0, "order": 0, "most": 1}

    def is_there(found: Select[Any], values: Values) -> bool:
        return view.connection.execute(found, first | values).first() is not None

    # All of a priority's, or what starts meanwhile would be overlooked.
    kinds = [kind for some in in_line if any(starmap(is_there, some)) for kind in some]
    kinds += [
        (_PARKED_OF, {"priority": priority, "owner": owner})
        for priority, owner in view.connection.execute(_WHOSE, {"this": view.queue.instance})
        if not pauses.cover(Priority(priority), owner)
    ]
    return Walk(kinds)


def rearranging(instance: Instance, turns: Turns) -> Iterator[Walk]:
    """Park what is paused, and put back what no longer is, even if a process was killed in the middle of it.

    Yields after each turn what is left to be looked at.
    """
    walk = instance.read(begin)
    while walk.kinds:
        walk = turns.take(partial(step, walk=walk))
        yield walk


def step(turn: Turn, walk: Walk) -> Walk:
    """Park some of what is paused, or put some back of what no longer is; returns what is left to be looked at."""
    pauses, (kinds, rank, order) = turn.queue.pauses(), walk
    looked = written = 0
    is_any_back = False
    # Kinds of which there are few share a turn, for they may be as many as there are callers.
    while kinds and looked < _MOST and written <= ROWS:
        (statement, values), rest = kinds[0], kinds[1:]
        values = {"this": turn.queue.instance, "rank": rank, "order": order, "most": _MOST - looked, **values}
        rows = turn.connection.execute(statement, values).all()
        looked += max(1, len(rows))
        changed: list[IngestionRow] = []
        for row in (IngestionRow(*columns) for columns in rows):
            rank, order = row.rank, row.order
            # Somebody may have paused or resumed in the meantime.
            if row.parked != pauses.cover(Priority(row.priority), row.owner):
                written += place(turn, row, parked=not row.parked)
                changed.append(row)
            if written > ROWS:
                break
        # Before the next kind is read, which may have some of the same.
        _save(turn, changed)
        is_any_back = is_any_back or any(not row.parked for row in changed)
        if len(rows) < values["most"] and written <= ROWS:
            kinds, rank, order = rest, 0.0, 0
    if is_any_back:
        gate = turn.gate()
        gate.resumed_at = gate.order_since = turn.now
        turn.queue.keep(gate)
    return Walk(kinds, rank, order)


def _save(turn: Turn, rows: Sequence[IngestionRow]) -> None:
    """Write what changes in the rows of ingestions that left the line, or are back in it."""
    for parked, is_open in {(row.parked, row.open) for row in rows}:
        orders = [row.order for row in rows if (row.parked, row.open) == (parked, is_open)]
        values = {"this": turn.queue.instance, "to_parked": parked, "to_open": is_open}
        turn.connection.execute(_PARK[turn.connection.is_sqlite], values | turn.connection.numbers(orders))
