"""Cancel and redrive, each in a turn."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from ..core import FAILED, NEW, Ingestion
from ..errors import Conflict
from .ends import settle
from .rows import Record
from .schema import IS_LIVE, NOT_IN_LINE, READY, THIS, batches
from .turns import Turn

_of_ingestion = (batches.c.instance == THIS, batches.c.order == bindparam("of_order"))
_IN_LINE = select(func.count()).where(*_of_ingestion, IS_LIVE, batches.c.line > 0)
_LEAVE_LINE = update(batches).where(*_of_ingestion, IS_LIVE, batches.c.line > 0).values(line=NOT_IN_LINE)
_REDRIVE = (
    update(batches)
    .where(*_of_ingestion, batches.c.state == FAILED)
    .values(state=NEW, line=READY, attempt=0, due=bindparam("now"))
)
_LAST_FAILED = select(batches.c.position).where(
    *_of_ingestion, batches.c.position == bindparam("last"), batches.c.state == FAILED
)


def cancel(turn: Turn, record: Record) -> tuple[Ingestion, bool]:
    """Never start what has not started; False where that was so already. Raises Conflict.

    Apart from its own row this touches only those of batches that wait for another attempt.
    """
    if record.cancelled:
        return record.snapshot(), False
    if record.finished:
        raise Conflict(f"The ingestion is {record.snapshot().status.value}; nothing is left to cancel.")
    values = {"this": turn.limiter.instance, "of_order": record.order}
    if in_line := turn.connection.execute(_IN_LINE, values).scalar():
        turn.limiter.lined -= in_line
        turn.connection.execute(_LEAVE_LINE, values)
    turn.wait(record, -record.waiting, -record.waiting_ids)
    record.cancelled, record.open, record.retrying = True, 0, 0
    settle(turn, record)
    turn.save([record])
    return record.snapshot(), True


def redrive(turn: Turn, record: Record) -> Ingestion:
    """Start the failed batches over. Raises Conflict."""
    if record.cancelled:
        raise Conflict("The ingestion was cancelled; submit the ids again instead.")
    if not record.failed:
        raise Conflict("No batch of the ingestion failed; there is nothing to redrive.")
    if record.finished_at is not None:
        record.finished_at = record.estimated_completion = None
    values = {"this": turn.limiter.instance, "of_order": record.order, "now": turn.now}
    missing = record.batch_count * record.batch_size - record.id_count
    ids = record.failed * record.batch_size
    if missing and turn.connection.execute(_LAST_FAILED, values | {"last": record.batch_count - 1}).first():
        ids -= missing
    turn.connection.execute(_REDRIVE, values)
    turn.limiter.lined += record.failed
    turn.limiter.failed -= record.failed
    turn.wait(record, record.failed, ids)
    record.failed = 0
    turn.save([record])
    return record.snapshot()
