"""The batches that failed, latest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, literal_column, select, tuple_

from ..core import FAILED, BatchError, Failure, FailureFilter, Id, Priority, Spot
from .answers import answers_of
from .contents import ids
from .ids import slice_of
from .instance import Instance, View
from .picks import OF_IDS, SAME_INGESTION, ids_of
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import batches, ingestions, remembered

PAGE = 1000
"""Batches read at once."""

_spot = (batches.c.finished_at, batches.c.order, batches.c.position)
_error = (batches.c.error_type, batches.c.error_message)
_of = (ingestions.c.id, ingestions.c.priority, ingestions.c.owner)


def of(instance: Instance, where: FailureFilter, *, with_ids: bool) -> Iterator[Failure]:
    """Yields the failed batches, the latest first, and with the ids that failed if these are wanted."""
    read, after = (page_with_ids if with_ids else page), None
    while some := instance.read(lambda view: read(view, where, after)):  # noqa: B023
        yield from filter(where.takes, some)
        if len(some) < PAGE:
            return
        after = some[-1].spot


def page(view: View, where: FailureFilter, after: Spot | None) -> list[Failure]:
    """Returns the failed batches that come after a spot."""
    statement = select(*_spot, *_error, *_of).join_from(batches, ingestions, SAME_INGESTION)
    return [
        Failure((at, order, position), ingestion_id, Priority(priority), owner, BatchError(error_type, message))
        for at, order, position, error_type, message, ingestion_id, priority, owner in _read(
            view, statement, where, after
        )
    ]


def page_with_ids(view: View, where: FailureFilter, after: Spot | None) -> list[Failure]:
    """Returns the same, with the ids that failed."""
    first = batches.c.position * ingestions.c.batch_size
    # Of many ids, a row's are not cut out in SQLite but taken off the shelf.
    packed = case((ingestions.c.id_count > view.shelf.large, None), else_=slice_of(first, ingestions.c.batch_size))
    statement = (
        select(*_spot, *_error, batches.c.results, batches.c.alone, packed, *INGESTION_COLUMNS)
        .join_from(batches, ingestions, SAME_INGESTION)
        .outerjoin(ids, OF_IDS)
    )
    return [_with_ids(view, columns) for columns in _read(view, statement, where, after)]


def _with_ids(view: View, columns: Any) -> Failure:
    at, order, position, error_type, message, results, alone, packed, *of_ingestion = columns
    row, error = IngestionRow(*of_ingestion), BatchError(error_type, message)
    part: Sequence[Id] = ids_of(view, row, position, 1, packed)
    told = answers_of(len(part), results, alone).of_each(FAILED, error)
    failed = [(one, answer) for one, answer in zip(part, told, strict=True) if isinstance(answer, BatchError)]
    return Failure((at, order, position), row.id, Priority(row.priority), row.owner, error, failed)


def _read(view: View, statement: Select[Any], where: FailureFilter, after: Spot | None) -> list[Any]:
    wanted = [*_wanted(view, where)]
    if after is not None:
        wanted.append(tuple_(*_spot) < tuple_(*after))
    statement = statement.where(*wanted).order_by(*(column.desc() for column in _spot)).limit(PAGE)
    return view.connection.execute(statement, {}, keep=False).all()


def _wanted(view: View, where: FailureFilter) -> Iterator[Any]:
    this = view.queue.instance
    # Spelled out, not bound, so that the index of such batches is used.
    yield from (batches.c.instance == this, batches.c.state == literal_column(str(FAILED)))
    yield remembered(ingestions, view.forgotten)
    yield batches.c.finished_at.is_not(None)
    equal: tuple[tuple[ColumnElement[Any], Any], ...] = (
        (ingestions.c.priority, where.priority and where.priority.value),
        (ingestions.c.owner, where.owner),
    )
    yield from (column == value for column, value in equal if value is not None)
    if where.since is not None:
        yield batches.c.finished_at >= where.since
    if where.until is not None:
        yield batches.c.finished_at <= where.until
