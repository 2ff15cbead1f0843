"""Cancel, redrive and move, each in a turn."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update

from ..core import FAILED, NEW, Ingestion, Priority, Status, check_cancel, check_move, check_redrive, rank_of
from .audits import note
from .callers import enlist
from .ends import settle
from .parking import COUNT_WAITING, WAITING, place
from .rows import IngestionRow
from .schema import IS_LIVE, NOT_IN_LINE, PARKED, READY, THIS, batches, ingestions
from .turns import ROWS, Turn

_of_ingestion = (batches.c.instance == THIS, batches.c.order == bindparam("of_order"))
_LEAVE_LINE = update(batches).where(*WAITING).values(line=NOT_IN_LINE)
_failed = (*_of_ingestion, batches.c.state == FAILED, batches.c.position > bindparam("after"))
_some = (
    select(batches.c.position, batches.c.left)
    .where(*_failed)
    .order_by(batches.c.position)
    .limit(bindparam("most"))
    .subquery()
)
_SOME_FAILED = select(
    func.count(), func.max(_some.c.position), func.count(_some.c.left), func.coalesce(func.sum(_some.c.left), 0)
)
_REDRIVE = (
    update(batches)
    .where(*_failed, batches.c.position <= bindparam("upto"))
    .values(
        state=NEW,
        line=bindparam("line"),
        attempt=0,
        due=bindparam("now"),
        rank=bindparam("of_rank"),
        caller=bindparam("of_caller"),
    )
)
# A queue may have had no callers, or have forgotten this one, when the ingestion ended.
_ENLIST = (
    update(ingestions)
    .where(ingestions.c.instance == THIS, ingestions.c.order == bindparam("of_order"))
    .values(caller=bindparam("of_caller"))
)
_LAST_FAILED = select(batches.c.position).where(
    *_of_ingestion, batches.c.position == bindparam("last"), batches.c.state == FAILED, batches.c.left.is_(None)
)
_MOVE = (
    update(ingestions)
    .where(ingestions.c.instance == THIS, ingestions.c.order == bindparam("of_order"))
    .values(priority=bindparam("to"), rank=bindparam("of_rank"), caller=bindparam("of_caller"))
)
_MOVE_BATCHES = (
    update(batches).where(*_of_ingestion, IS_LIVE).values(rank=bindparam("of_rank"), caller=bindparam("of_caller"))
)


def cancel(turn: Turn, row: IngestionRow, by: str | None, *, audited: bool = True) -> tuple[Ingestion, bool]:
    """Cancel what has not started; returns the ingestion and whether this call cancelled it. Raises Conflict.

    Writes only the ingestion's row and those of its batches that wait for another attempt.
    """
    status = row.snapshot().status
    if not check_cancel(status, cancelled=row.cancelled):
        return row.snapshot(), False
    if audited:
        note(turn, by, "cancel", row.id, {"status": status}, {"status": Status.CANCELLED})
    values = {"this": turn.queue.instance, "of_order": row.order}
    if waiting := turn.connection.execute(COUNT_WAITING, values).scalar():
        turn.queue.lined -= 0 if row.parked else waiting
        turn.allow(waiting)
        turn.connection.execute(_LEAVE_LINE, values)
    turn.wait(row, -row.waiting, -row.waiting_ids)
    row.cancelled, row.parked, row.retrying = True, False, 0
    settle(turn, row)
    turn.save([row])
    return row.snapshot(), True


class Part(NamedTuple):
    """What a turn did to an ingestion: to how many of its batches, and after which position there may be more."""

    ingestion: Ingestion
    batches: int = 0
    rest: int | None = None


def redrive(
    turn: Turn,
    row: IngestionRow,
    by: str | None,
    after: int = -1,
    *,
    most: int | None = None,
    audited: bool = True,
) -> Part:
    """Start over the failed batches after a position, `most` of them at most, or ROWS.

    Raises Conflict, but only with no position given.
    """
    most = most or ROWS
    if after < 0:
        check_redrive(row.failed, cancelled=row.cancelled)
        if audited:
            note(turn, by, "redrive", row.id, {"failed": row.failed}, {"failed": 0})
    elif row.cancelled:
        return Part(row.snapshot())
    values = {"this": turn.queue.instance, "of_order": row.order, "after": after, "most": most}
    count, upto, partly, left = turn.connection.execute(_SOME_FAILED, values).one()
    if not count:
        return Part(row.snapshot())
    if row.finished_at is not None:
        row.finished_at = row.estimated_completion = None
        row.parked = turn.queue.pauses().cover(Priority(row.priority), row.owner)
    missing, last = row.batch_count * row.batch_size - row.id_count, row.batch_count - 1
    ids = (count - partly) * row.batch_size + left
    if missing and upto == last and turn.connection.execute(_LAST_FAILED, values | {"last": last}).first():
        ids -= missing
    if turn.queue.fair:
        row.caller = enlist(turn.connection, turn.queue, row)
        turn.connection.execute(_ENLIST, values | {"of_caller": row.caller})
    line = PARKED if row.parked else READY
    starts_over = {"upto": upto, "line": line, "now": turn.now, "of_rank": row.rank, "of_caller": row.caller}
    turn.allow(count)
    turn.connection.execute(_REDRIVE, values | starts_over)
    turn.queue.lined += 0 if row.parked else count
    turn.queue.failed -= count
    turn.wait(row, count, ids)
    row.failed -= count
    turn.save([row])
    return Part(row.snapshot(), count, upto if count == most else None)


def move(turn: Turn, row: IngestionRow, priority: Priority, by: str | None) -> Ingestion:
    """Have what waits go at another priority. Raises Conflict."""
    check_move(row.snapshot().status, cancelled=row.cancelled)
    if priority == row.priority:
        return row.snapshot()
    before, waiting, ids = Priority(row.priority), row.waiting, row.waiting_ids
    note(turn, by, "move", row.id, {"priority": before.name}, {"priority": priority.name})
    turn.wait(row, -waiting, -ids)
    row.priority, row.rank = priority, rank_of(turn.queue.aging, priority, row.created_at)
    if turn.queue.fair:
        row.caller = enlist(turn.connection, turn.queue, row)
    turn.wait(row, waiting, ids)
    values = {"this": turn.queue.instance, "of_order": row.order, "of_rank": row.rank, "of_caller": row.caller}
    turn.allow(waiting)
    turn.connection.execute(_MOVE, values | {"to": priority})
    turn.connection.execute(_MOVE_BATCHES, values)
    place(turn, row, parked=turn.queue.pauses().cover(priority, row.owner))
    row.estimated_completion = None
    gate = turn.gate()
    gate.order_since = turn.now
    turn.queue.keep(gate)
    turn.save([row])
    return row.snapshot()
