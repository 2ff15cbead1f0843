"""What is told about the queue, ingestions and their batches, out of the SQL store's tables."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator

from sqlalchemy import bindparam, or_, select

from ..config import Settings
from ..core import (
    COMPLETED,
    NEW,
    STATUS_OF,
    Batch,
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
from .picks import blocked, first_due, next_retry, pick
from .rows import RECORD_COLUMNS, Record
from .schema import THIS, batches, dispatches, ids, ingestions

CHUNK = 1000
"""How many batches are read at once where all are asked for."""

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


def batches_of(view: View, record: Record, offset: int, limit: int | None) -> Batches:
    """The batches from `offset`, `limit` at most."""
    span = range(offset, record.batch_count)[:limit]
    states, attempts, errors = bytearray(len(span)), dict[int, int](), dict[int, BatchError]()
    ids = array("q")
    if span:
        values = {"this": view.limiter.instance, "order": record.order, "start": span.start, "stop": span.stop}
        for position, state, attempt, error_type, message in view.connection.execute(_TOLD, values):
            states[position - span.start] = state
            if attempt != int(state != NEW):
                attempts[position] = attempt
            if error_type:
                errors[position] = BatchError(error_type, message)
        ids = _ids(view, record, span)
    priority, cancelled = Priority(record.priority), record.cancelled
    return Batches(
        record.id, priority, record.batch_size, offset, ids, bytes(states), attempts, errors, cancelled=cancelled
    )


def results_of(view: View, record: Record, span: range) -> list[tuple[int, str]]:
    """Each id of the completed batches among those of a span, with its data."""
    values = {"this": view.limiter.instance, "order": record.order, "start": span.start, "stop": span.stop}
    done = view.connection.execute(_RESULTS, values).all()
    if not done:
        return []
    numbers, size = _ids(view, record, span), record.batch_size
    found: list[tuple[int, str]] = []
    for position, results in done:
        first = (position - span.start) * size
        part = numbers[first : first + size]
        found += zip(part, json.loads(results) if results else ["null"] * len(part), strict=True)
    return found


def spans(record: Record) -> Iterator[range]:
    """All positions of an ingestion, in pieces."""
    for first in range(0, record.batch_count, CHUNK):
        yield range(first, min(first + CHUNK, record.batch_count))


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
    """One page of the ingestions that did not end at `forgotten` or before, newest first."""
    column = ingestions.c
    remembered = or_(column.finished_at.is_(None), column.finished_at > forgotten)
    wanted = [column.instance == view.limiter.instance, remembered]
    if status is not None:
        wanted.append(column.status == status.value)
    if priority is not None:
        wanted.append(column.priority == priority.value)
    if owner is not None:
        wanted.append(column.owner == owner)
    if before is not None:
        wanted.append(column.order < before)
    statement = select(*RECORD_COLUMNS).where(*wanted).order_by(column.order.desc()).limit(limit)
    return [Record(*row).snapshot() for row in view.connection.execute(statement, {}, keep=False)]


def stats(view: View, settings: Settings) -> Stats:
    state, now, bucket = view.limiter, view.now, view.limiter.bucket(settings)
    wait = blocked(state, bucket, now, max(0, settings.concurrency - state.running), first_due(view))
    return Stats(
        now,
        state.paused,
        state.hold_until if state.hold_until > now else None,
        wait.reason if wait else None,
        bucket.tokens(now),
        bucket.when(0, now),
        state.running,
        state.service,
        depths(view, settings),
        accuracy(view),
        state.failed,
        next_retry(view),
    )


def upcoming(view: View, settings: Settings, limit: int) -> list[tuple[Batch, float | None]]:
    """The next batches in true order, each with the time it should start (None while paused)."""
    timeline, paused = view.limiter.timeline(settings, view.now), view.limiter.paused
    return [
        (one.batch(one.attempt, STATUS_OF[one.state]), None if paused else timeline.start(nth))
        for nth, one in enumerate(pick(view, limit))
    ]


def dispatched(view: View, limit: int) -> list[Dispatch]:
    """The latest dispatches, oldest first."""
    found = view.connection.execute(_DISPATCHES, {"this": view.limiter.instance, "limit": limit}).all()
    log = []
    for started_at, due_at, ingestion_id, position, attempt, priority, *place in reversed(found):
        batch = batch_id(ingestion_id, position)
        log.append(Dispatch(started_at, due_at, batch, ingestion_id, position, attempt, Priority(priority), *place))
    return log


def _ids(view: View, record: Record, span: range) -> array[int]:
    size = record.batch_size
    if record.id_count > view.shelf.large:
        return view.ids(record, slice(span.start * size, span.stop * size))
    values = {
        "this": view.limiter.instance,
        "order": record.order,
        "first": span.start * size,
        "count": len(span) * size,
    }
    return unpack(view.connection.execute(_IDS, values).scalar())
