"""Reads the queue, ingestions and their batches from the SQL store's tables."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator

from sqlalchemy import bindparam, or_, select

from ..config import Settings
from ..core import (
    COMPLETED,
    NEW,
    BatchError,
    Batches,
    Dispatch,
    Ingestion,
    Priority,
    Stats,
    Status,
    batch_id,
)
from .forecast import accuracy, depths
from .ids import slice_of, unpack
from .instance import View
from .picks import first_due, next_retry
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import THIS, batches, dispatches, ids, ingestions

CHUNK = 1000
"""Batches read at once when all are requested."""

_IDS = select(slice_of(bindparam("first"), bindparam("count"))).where(
    ids.c.instance == THIS, ids.c.order == bindparam("order")
)
_span = (
    batches.c.instance == THIS,
    batches.c.order == bindparam("order"),
    batches.c.position >= bindparam("start"),
    batches.c.position < bindparam("stop"),
)
_TOLD = select(
    batches.c.position, batches.c.state, batches.c.attempt, batches.c.error_type, batches.c.error_message
).where(*_span)
_RESULTS = (
    select(batches.c.position, batches.c.results)
    .where(*_span, batches.c.state == COMPLETED)
    .order_by(batches.c.position)
)
_DISPATCHES = (
    select(*list(dispatches.c)[2:])
    .where(dispatches.c.instance == THIS)
    .order_by(dispatches.c.number.desc())
    .limit(bindparam("limit"))
)


def batches_of(view: View, row: IngestionRow, offset: int, limit: int | None) -> Batches:
    """Returns the batches from `offset`, `limit` at most."""
    span = range(offset, row.batch_count)[:limit]
    states, attempts, errors = bytearray(len(span)), dict[int, int](), dict[int, BatchError]()
    ids = array("q")
    if span:
        values = {"this": view.queue.instance, "order": row.order, "start": span.start, "stop": span.stop}
        for position, state, attempt, error_type, message in view.connection.execute(_TOLD, values):
            states[position - span.start] = state
            if attempt != int(state != NEW):
                attempts[position] = attempt
            if error_type:
                errors[position] = BatchError(error_type, message)
        ids = _ids(view, row, span)
    priority, cancelled = Priority(row.priority), row.cancelled
    return Batches(row.id, priority, row.batch_size, offset, ids, bytes(states), attempts, errors, cancelled=cancelled)


def results_of(view: View, row: IngestionRow, span: range) -> list[tuple[int, str]]:
    """Returns each id of the completed batches among those of a span, with its data."""
    values = {"this": view.queue.instance, "order": row.order, "start": span.start, "stop": span.stop}
    done = view.connection.execute(_RESULTS, values).all()
    if not done:
        return []
    numbers, size = _ids(view, row, span), row.batch_size
    found: list[tuple[int, str]] = []
    for position, results in done:
        first = (position - span.start) * size
        part = numbers[first : first + size]
        found += zip(part, json.loads(results) if results else ["null"] * len(part), strict=True)
    return found


def spans(row: IngestionRow) -> Iterator[range]:
    """Yields all positions of an ingestion, in spans."""
    for first in range(0, row.batch_count, CHUNK):
        yield range(first, min(first + CHUNK, row.batch_count))


def listing(
    view: View,
    forgotten: float,
    *,
    status: Status | None,
    priority: Priority | None,
    owner: str | None,
    before: int | None,
    limit: int,
) -> list[Ingestion]:
    """Returns a page of the ingestions that did not end by `forgotten`, newest first."""
    column = ingestions.c
    remembered = or_(column.finished_at.is_(None), column.finished_at > forgotten)
    wanted = [column.instance == view.queue.instance, remembered]
    if status is not None:
        wanted.append(column.status == status.value)
    if priority is not None:
        wanted.append(column.priority == priority.value)
    if owner is not None:
        wanted.append(column.owner == owner)
    if before is not None:
        wanted.append(column.order < before)
    statement = select(*INGESTION_COLUMNS).where(*wanted).order_by(column.order.desc()).limit(limit)
    return [IngestionRow(*row).snapshot() for row in view.connection.execute(statement, {}, keep=False)]


def stats(view: View, settings: Settings) -> Stats:
    """Returns the state of the whole queue."""
    queue = view.queue
    return Stats.of(
        queue.gate(settings),
        view.now,
        first_due=first_due(view),
        slots=queue.slots or settings.concurrency,
        running=queue.running,
        service=queue.service,
        depths=depths(view, settings),
        accuracy=accuracy(view),
        failed=queue.failed,
        next_retry_at=next_retry(view),
    )


def dispatched(view: View, limit: int) -> list[Dispatch]:
    """Returns the latest dispatches, oldest first."""
    found = view.connection.execute(_DISPATCHES, {"this": view.queue.instance, "limit": limit}).all()
    log = []
    for started_at, due_at, ingestion_id, position, attempt, priority, *place in reversed(found):
        batch = batch_id(ingestion_id, position)
        log.append(Dispatch(started_at, due_at, batch, ingestion_id, position, attempt, Priority(priority), *place))
    return log


def _ids(view: View, row: IngestionRow, span: range) -> array[int]:
    size = row.batch_size
    if row.id_count > view.shelf.large:
        return view.ids(row, slice(span.start * size, span.stop * size))
    values = {
        "this": view.queue.instance,
        "order": row.order,
        "first": span.start * size,
        "count": len(span) * size,
    }
    return unpack(view.connection.execute(_IDS, values).scalar())
