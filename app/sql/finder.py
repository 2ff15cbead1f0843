"""Where ids are, and the index of FIND_IDS."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from ..core import Batch, Finder, Found, Ingestion, Sought, bucket_of, packed_hash
from .answers import STARTS
from .contents import hashes, ids, strings
from .forecast import prospect
from .ids import pack
from .instance import Instance, View
from .reads import batches_of, results_of
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import ASIDE, AWAITING, READY, THIS, all_of, batches, ingestions, remembered
from .together import among
from .turns import Turn

_ADD = insert(hashes).values(all_of(hashes))
_READY_BEFORE = select(func.coalesce(func.sum(STARTS), 0)).where(
    batches.c.instance == THIS,
    batches.c.order == bindparam("order"),
    batches.c.position < bindparam("position"),
    or_(
        batches.c.line == READY,
        batches.c.line == AWAITING,
        (batches.c.line == ASIDE) & (batches.c.due <= bindparam("now")),
    ),
)


def _holding_bytes(column: ColumnElement[bytes], some: ColumnElement[bytes], *, is_sqlite: bool) -> ColumnElement[bool]:
    """Returns the condition that bytes hold others, wherever."""
    return (func.instr(column, some) if is_sqlite else func.position(some.op("IN")(column))) > 0


_sought = bindparam("sought", type_=LargeBinary)
_IN_STRINGS = {
    is_sqlite: select(strings.c.order).where(
        strings.c.instance == THIS,
        is_among,
        or_(
            func.substr(strings.c.lines, 1, bindparam("length", type_=Integer))
            == bindparam("first", type_=LargeBinary),
            _holding_bytes(strings.c.lines, _sought, is_sqlite=is_sqlite),
        ),
    )
    for is_sqlite, is_among in among(strings.c.order).items()
}
_IN_NUMBERS = {
    is_sqlite: select(ids.c.order).where(
        ids.c.instance == THIS, is_among, _holding_bytes(ids.c.ids, _sought, is_sqlite=is_sqlite)
    )
    for is_sqlite, is_among in among(ids.c.order).items()
}


class SQLFinder(Finder):
    """Whether an ingestion holds an id is found out in the database; of those that do, all ids are read."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def indexed(self, sought: Sought, *, owner: str | None, limit: int) -> tuple[list[Ingestion], int]:
        def indexed(view: View) -> tuple[list[Ingestion], int]:
            queue = view.queue
            if not queue.found_to or queue.found_to < queue.orders:
                return [], queue.orders + 1
            column = ingestions.c
            wanted = [column.order >= queue.found_from, *self._remembered(view), _in_index(view, sought)]
            if owner is not None:
                wanted.append(column.owner == owner)
            rows = _ingestions(view, wanted, limit)
            return [row.snapshot() for row in rows], queue.found_from

        return self._instance.read(indexed)

    def holding(self, sought: Sought, ingestions: Sequence[Ingestion], limit: int) -> list[tuple[Ingestion, int]]:
        by_order = {one.order: one for one in ingestions}

        def holding(view: View) -> list[tuple[Ingestion, int]]:
            return [
                (by_order[row.order], at)
                for row in _holding(view, sought, list(by_order), self._remembered(view))
                for at in islice(sought.among(view.ids(row, slice(None))), limit)
            ]

        return self._instance.read(holding) if ingestions else []

    def at(self, ingestion_id: str, index: int) -> Found:
        def at(view: View, row: IngestionRow) -> Found:
            position, nth = divmod(index, row.batch_size)
            batch = batches_of(view, row, position, 1)[0]
            told = results_of(view, row, range(position, position + 1), failed=True)
            answer = dict(told).get(batch.ids[nth])
            return Found(row.snapshot(), batch, nth, self._start(view, row, batch), answer)

        return self._instance.read_one(ingestion_id, at)

    def _start(self, view: View, row: IngestionRow, batch: Batch) -> float | None:
        """Returns when a batch should start, None if it does not wait or is paused."""
        if not batch.waits or row.parked:
            return None
        timeline, found = view.timeline(), prospect(view, row)
        if batch.position >= row.cursor:
            before = row.waiting - (row.batch_count - row.cursor) + batch.position - row.cursor
            return timeline.batch_start(found, before, None)
        values = {"this": view.queue.instance, "order": row.order, "position": batch.position, "now": view.now}
        before = int(view.connection.execute(_READY_BEFORE, values).scalar())
        return timeline.batch_start(found, before, batch.next_attempt_at or 0.0)

    def _remembered(self, view: View) -> list[ColumnElement[bool]]:
        """Returns the conditions for the ingestions of this queue that are not forgotten."""
        forgotten = view.forgotten
        return [ingestions.c.instance == view.queue.instance, remembered(ingestions, forgotten)]


def add(turn: Turn, order: int, hashed: Mapping[int, bytes]) -> None:
    """Add an ingestion to the index.

    The queue's row says which orders are in it, without a gap: a process without FIND_IDS, or of an older release, that
    adds one makes the index begin anew.
    """
    queue = turn.queue
    if queue.found_to != order - 1:
        queue.found_from = order
    queue.found_to = order
    of = {"instance": queue.instance, "order": order}
    turn.connection.execute(_ADD, [{**of, "bucket": bucket, "hashes": some} for bucket, some in hashed.items()])


def _in_index(view: View, sought: Sought) -> ColumnElement[bool]:
    """Returns the condition for ingestions that hold an id of its hash, by the index."""
    found = [
        select(hashes.c.order).where(
            hashes.c.instance == view.queue.instance,
            # The same as equality, with which SQLite would read all buckets.
            hashes.c.bucket.between(bucket_of(hashed), bucket_of(hashed)),
            _holds(view, hashes.c.hashes, packed_hash(hashed)),
        )
        for hashed in sought.hashes
    ]
    return ingestions.c.order.in_(union_all(*found))


def _holding(
    view: View, sought: Sought, orders: Sequence[int], wanted: Sequence[ColumnElement[bool]]
) -> list[IngestionRow]:
    """Returns those ingestions of some orders that hold an id; among the integers, a few that do not."""
    connection, line = view.connection, f"{sought.text}\n".encode()
    here = {"this": view.queue.instance, **connection.numbers(orders)}
    values = {**here, "first": line, "length": len(line), "sought": b"\n" + line}
    some = [row[0] for row in connection.execute(_IN_STRINGS[connection.is_sqlite], values)]
    if sought.number is not None:
        values = {**here, "sought": pack(array("q", [sought.number]))}
        some += [row[0] for row in connection.execute(_IN_NUMBERS[connection.is_sqlite], values)]
    return _ingestions(view, [*wanted, _among(ingestions.c.order, some)], len(some)) if some else []


def _ingestions(view: View, wanted: Sequence[Any], limit: int) -> list[IngestionRow]:
    statement = select(*INGESTION_COLUMNS).where(*wanted).order_by(ingestions.c.order.desc()).limit(limit)
    return [IngestionRow(*row) for row in view.connection.execute(statement, {}, keep=False)]


def _among(column: ColumnElement[int], orders: Sequence[int]) -> ColumnElement[bool]:
    return column.in_([literal_column(str(order)) for order in orders])


def _holds(view: View, column: ColumnElement[bytes], some: bytes) -> ColumnElement[bool]:
    return _holding_bytes(column, literal(some, LargeBinary), is_sqlite=view.connection.is_sqlite)
