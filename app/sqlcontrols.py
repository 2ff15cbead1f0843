"""Cancel and redrive, each in a turn."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from .errors import Conflict
from .models import Ingestion
from .record import FAILED, NEW
from .sqlends import settle
from .sqlrows import Record
from .sqlschema import IS_LIVE, NOT_IN_LINE, READY, THIS, batches
from .sqlturns import Turn

_of_ingestion = (batches.c.instance == THIS, batches.c.order == bindparam("of_order"))
_LEAVE_LINE = update(batches).where(*_of_ingestion, IS_LIVE, batches.c.line > 0).values(line=NOT_IN_LINE)
_REDRIVE = (
    update(batches)
    .where(*_of_ingestion, batches.c.state == FAILED)
    .values(state=NEW, line=READY, attempt=0, due=bindparam("now"))
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
    turn.limiter.lined -= turn.connection.execute(_LEAVE_LINE, values).rowcount
    turn.wait(record, -record.waiting)
    record.cancelled, record.open, record.retrying = True, 0, 0
    settle(turn, record)
    turn.save(record)
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
    turn.limiter.lined += turn.connection.execute(_REDRIVE, values).rowcount
    turn.wait(record, record.failed)
    record.failed = 0
    turn.save(record)
    return record.snapshot()
