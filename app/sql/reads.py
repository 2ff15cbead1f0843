"""Reads the queue, ingestions and their batches from the SQL store's tables."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from ..core import (
    COMPLETED,
    NEW,
    WAITING,
    BatchError,
    Batches,
    Dispatch,
    Id,
    Ids,
    Ingestion,
    Priority,
    Stats,
    Status,
    batch_id,
    id_range,
    ids_at,
    states_of,
)
from .answers import answers_of
from .contents import ids
from .forecast import accuracy, depths
from .ids import slice_of, unpack
from .instance import View
from .journal import dispatches
from .picks import first_due, next_retry
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import THIS, batches, ingestions, remembered

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
_told = select(
    batches.c.position,
    batches.c.state,
    batches.c.attempt,
    batches.c.started_at,
    batches.c.finished_at,
    batches.c.due,
    batches.c.error_type,
    batches.c.error_message,
)
_TOLD = _told.where(*_span)
_RESULTS = (
    select(
        batches.c.position,
        batches.c.state,
        batches.c.alone,
        batches.c.results,
        batches.c.error_type,
        batches.c.error_message,
    )
    .where(*_span, or_(batches.c.state >= COMPLETED, batches.c.left.is_not(None)))
    .order_by(batches.c.position)
)
_FIND = (
    select(*INGESTION_COLUMNS)
    .where(
        ingestions.c.instance == THIS,
        ingestions.c.id.between(bindparam("least"), bindparam("most")),
        remembered(ingestions, bindparam("forgotten")),
    )
    .order_by(ingestions.c.id)
    .limit(bindparam("limit"))
)
_FIND_OWN = _FIND.where(ingestions.c.owner == bindparam("owner"))
_DISPATCHES = (
    select(*list(dispatches.c)[2:])
    .where(dispatches.c.instance == THIS)
    .order_by(dispatches.c.number.desc())
    .limit(bindparam("limit"))
)


def batches_of(view: View, row: IngestionRow, offset: int, limit: int | None, only: Status | None = None) -> Batches:
    """Returns the batches from `offset`, `limit` at most, of those in a status if one is given."""
    positions, told = _page(view, row, offset, limit) if only is None else _in(view, row, only, offset, limit)
    states, started, finished = bytearray(len(positions)), array("d"), array("d")
    ids: Ids = array("q")
    attempts, errors, dues = dict[int, int](), dict[int, BatchError](), dict[int, float]()
    if positions:
        if told:
            started, finished = (array("d", bytes(8 * len(positions))) for _ in range(2))
        for position, state, attempt, started_at, finished_at, due, error_type, message in told:
            nth = bisect_left(positions, position)
            states[nth] = state
            started[nth] = started_at or 0.0
            finished[nth] = finished_at or 0.0
            if attempt != int(state != NEW):
                attempts[position] = attempt
            if state == WAITING:
                dues[position] = due
            if error_type:
                errors[position] = BatchError(error_type, message)
        span = range(positions[0], positions[-1] + 1)
        ids = ids_at(_ids(view, row, span), positions, row.batch_size, span.start)
    return Batches(
        row.id,
        Priority(row.priority),
        row.batch_size,
        positions,
        ids,
        bytes(states),
        started,
        finished,
        attempts=attempts,
        errors=errors,
        dues=dues,
        cancelled=row.cancelled,
    )


def _page(view: View, row: IngestionRow, offset: int, limit: int | None) -> tuple[Sequence[int], Sequence[Any]]:
    """Returns a page's positions, and what is stored of those of its batches that ever started."""
    span = range(offset, row.batch_count)[:limit]
    values = {"this": view.queue.instance, "order": row.order, "start": span.start, "stop": span.stop}
    return span, view.connection.execute(_TOLD, values).all() if span else ()


def _in(
    view: View, row: IngestionRow, status: Status, offset: int, limit: int | None
) -> tuple[Sequence[int], Sequence[Any]]:
    """Returns the same of a page of the batches in a status. Those from the cursor on never started."""
    states = states_of(status, cancelled=row.cancelled)
    if not states:
        return (), ()
    among = or_(*(batches.c.state == state for state in states))
    wanted = (batches.c.instance == view.queue.instance, batches.c.order == row.order, among)
    page = _told.where(*wanted).order_by(batches.c.position).offset(offset)
    # SQLite takes no offset without a limit.
    told = view.connection.execute(page.limit(row.batch_count if limit is None else limit), {}, keep=False).all()
    positions = [one[0] for one in told]
    if NEW in states:
        before = view.connection.execute(select(func.count()).where(*wanted), {}, keep=False).scalar()
        fresh = range(row.cursor, row.batch_count)[max(0, offset - before) :]
        positions += fresh if limit is None else fresh[: limit - len(positions)]
    return positions, told


def results_of(view: View, row: IngestionRow, span: range, *, failed: bool) -> list[tuple[Id, str | BatchError]]:
    """Returns each answered id of the batches in a span with its data; with `failed`, those that failed too."""
    values = {"this": view.queue.instance, "order": row.order, "start": span.start, "stop": span.stop}
    done = view.connection.execute(_RESULTS, values).all()
    if not done:
        return []
    of_span, size = _ids(view, row, span), row.batch_size
    found: list[tuple[Id, str | BatchError]] = []
    for position, state, alone, results, error_type, message in done:
        first = (position - span.start) * size
        part: Sequence[Id] = of_span[first : first + size]
        if state == COMPLETED:
            found += zip(part, json.loads(results) if results else ["null"] * len(part), strict=True)
            continue
        error = BatchError(error_type, message) if error_type else None
        told = answers_of(len(part), results, alone).of_each(state, error)
        found += (
            (one, answer)
            for one, answer in zip(part, told, strict=False)
            if answer and (failed or isinstance(answer, str))
        )
    return found


def spans(row: IngestionRow) -> Iterator[range]:
    """Yields all positions of an ingestion, in spans."""
    for first in range(0, row.batch_count, CHUNK):
        yield range(first, min(first + CHUNK, row.batch_count))


def find(view: View, prefix: str, owner: str | None, limit: int) -> list[Ingestion]:
    """Returns ingestions whose id begins with `prefix` and that are remembered."""
    least, most = id_range(prefix)
    values = {"this": view.queue.instance, "least": least, "most": most, "forgotten": view.forgotten, "limit": limit}
    statement = _FIND if owner is None else _FIND_OWN
    found = view.connection.execute(statement, values if owner is None else values | {"owner": owner}).all()
    return [IngestionRow(*row).snapshot() for row in found]


def stats(view: View) -> Stats:
    """Returns the state of the whole queue."""
    queue, gate = view.queue, view.gate()
    return Stats.of(
        gate,
        view.settings,
        view.now,
        first_due=first_due(view),
        slots=queue.most_running(view.settings),
        waiting=queue,
        running=queue.running,
        service=queue.service,
        depths=depths(view),
        accuracy=accuracy(view),
        failed=queue.failed,
        next_retry_at=next_retry(view),
    )


def dispatched(view: View, limit: int) -> list[Dispatch]:
    """Returns the latest dispatches, oldest first."""
    found = view.connection.execute(_DISPATCHES, {"this": view.queue.instance, "limit": limit}).all()
    log = []
    for started_at, due_at, ingestion_id, position, attempt, priority, *more in reversed(found):
        batch = batch_id(ingestion_id, position)
        log.append(Dispatch(started_at, due_at, batch, ingestion_id, position, attempt, Priority(priority), *more))
    return log


def _ids(view: View, row: IngestionRow, span: range) -> Ids:
    size = row.batch_size
    if row.strings or row.id_count > view.shelf.large:
        return view.ids(row, slice(span.start * size, span.stop * size))
    values = {
        "this": view.queue.instance,
        "order": row.order,
        "first": span.start * size,
        "count": len(span) * size,
    }
    return unpack(view.connection.execute(_IDS, values).scalar())
