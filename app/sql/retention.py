"""Deletes what ended long ago, a little in each turn so that nobody waits for it."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update

from ..core import batch_count
from . import callers
from .contents import hashes, ids, strings
from .database import Database
from .journal import attempts
from .lanes import BLOCK, lanes
from .rows import QueueRow
from .schema import IS_FINISHED, THIS, batches, ingestions
from .together import among
from .turns import ROWS, Turn
from .wire import Values, Wire

_MOST = 100
"""Ingestions deleted in one turn at most."""

_OLD = (
    select(ingestions.c.order, ingestions.c.id_count, ingestions.c.batch_size, ingestions.c.failed)
    .where(ingestions.c.instance == THIS, IS_FINISHED, ingestions.c.finished_at <= bindparam("forgotten"))
    .order_by(ingestions.c.finished_at)
    .limit(_MOST)
)
_DELETE = {
    is_sqlite: [
        delete(table).where(table.c.instance == THIS, among(table.c.order)[is_sqlite])
        for table in (batches, attempts, ids, strings, hashes, ingestions)
    ]
    for is_sqlite in (True, False)
}
_LAST_BATCH = (
    select(batches.c.position)
    .where(batches.c.instance == THIS, batches.c.order == bindparam("of_order"))
    .order_by(batches.c.position.desc())
    .limit(1)
)
_DELETE_FROM = [
    delete(table).where(
        table.c.instance == THIS, table.c.order == bindparam("of_order"), table.c.position > bindparam("above")
    )
    for table in (batches, attempts)
]
_GIVE_UP = (
    update(ingestions)
    .where(ingestions.c.instance == THIS, ingestions.c.order == bindparam("of_order"))
    .values(finished_at=0.0, failed=0)
)
_EMPTY_LANES = delete(lanes).where(lanes.c.instance == THIS, lanes.c.waiting == 0, lanes.c.block < bindparam("current"))


def has_old(database: Database, queue: QueueRow, forgotten: float) -> bool:
    """Returns whether anything ended at or before `forgotten`."""
    return database.glance(_OLD, {"this": queue.instance, "forgotten": forgotten}) is not None


def prune(turn: Turn) -> tuple[int, bool]:
    """Delete some ingestions that ended long ago; returns how many, and whether there may be more."""
    connection, this = turn.connection, {"this": turn.queue.instance}
    orders, rows = list[int](), 0
    for order, id_count, batch_size, failed in connection.execute(_OLD, this | {"forgotten": turn.forgotten}).all():
        rows += batch_count(id_count, batch_size)
        turn.queue.failed -= failed
        if rows <= ROWS or not _shorten(connection, this | {"of_order": order}):
            orders.append(order)
        if rows > ROWS:
            break
    for statement in _DELETE[connection.is_sqlite] if orders else ():
        connection.execute(statement, this | connection.numbers(orders))
    if rows > ROWS or len(orders) == _MOST:
        return len(orders), True
    connection.execute(_EMPTY_LANES, this | {"current": turn.queue.orders // BLOCK})
    if turn.queue.fair:
        callers.prune(connection, turn.queue)
    return len(orders), False


def _shorten(connection: Wire, values: Values) -> bool:
    """Delete the last batches of an ingestion that has too many for one turn; returns whether it has."""
    last = connection.execute(_LAST_BATCH, values).scalar()
    if last is None or last < ROWS:
        return False
    for statement in _DELETE_FROM:
        connection.execute(statement, values | {"above": last - ROWS})
    # Nobody may remember what is left of it, however long others keep what ended.
    connection.execute(_GIVE_UP, values)
    return True
