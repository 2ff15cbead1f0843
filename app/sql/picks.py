"""Chooses the batches that go next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, bindparam, case, exists, func, select, update

from ..core import NEW, Answers, Batch, BatchError, Priority, Status
from .answers import PARTIAL, answers_of
from .contents import ids
from .ids import slice_of, unpack
from .instance import View
from .rows import INGESTION_COLUMNS, INGESTION_NAMES, IngestionRow
from .schema import (
    BY_AWAITED,
    BY_CALLER,
    BY_RANK,
    IS_ASIDE,
    IS_AWAITING,
    IS_OPEN,
    IS_READY,
    READY,
    THIS,
    batches,
    ingestions,
)

_large = bindparam("large", type_=BigInteger)
_limit = bindparam("limit", type_=Integer)


def _open_among(
    *among: Any, by: Sequence[str] = ("rank", "order"), count: Callable[[Any], ColumnElement[int]] = lambda _: _limit
) -> Select[Any]:
    """Returns the statement that reads the first ingestions with fresh batches among some.

    Each comes with the ids of its next batches, so many as `count` says by its columns.
    """
    found = select(*INGESTION_COLUMNS).where(ingestions.c.instance == THIS, IS_OPEN, *among)
    some = found.order_by(*(ingestions.c[name] for name in by)).limit(_limit).subquery()
    packed = case(
        (some.c.id_count > _large, None),
        else_=slice_of(some.c.cursor * some.c.batch_size, some.c.batch_size * count(some.c)),
    )
    of_these = (ids.c.instance == THIS) & (ids.c.order == some.c.order)
    return select(*some.c, packed).outerjoin_from(some, ids, of_these).order_by(*(some.c[name] for name in by))


def _that_fit(columns: Any) -> ColumnElement[int]:
    """Returns one more than the batches of an ingestion that could ride together."""
    fit: ColumnElement[int] = 1 + bindparam("free", type_=Integer) // columns.batch_size
    return fit


_OPEN = _open_among()
_NEAR = _open_among(count=_that_fit)
BATCH_COLUMNS = [
    batches.c.position,
    batches.c.state,
    batches.c.attempt,
    batches.c.due,
    batches.c.started_at,
    batches.c.alone,
    PARTIAL,
    batches.c.error_type,
    batches.c.error_message,
]
SAME_INGESTION = (ingestions.c.instance == batches.c.instance) & (ingestions.c.order == batches.c.order)
OF_IDS = (ids.c.instance == batches.c.instance) & (ids.c.order == batches.c.order)
_IN_LINE = (
    select(
        *INGESTION_COLUMNS,
        *BATCH_COLUMNS,
        case(
            (ingestions.c.id_count > _large, None),
            else_=slice_of(batches.c.position * ingestions.c.batch_size, ingestions.c.batch_size),
        ),
    )
    .join_from(batches, ingestions, SAME_INGESTION)
    .outerjoin(ids, OF_IDS)
    .where(batches.c.instance == THIS)
    .order_by(batches.c.rank, batches.c.order, batches.c.position)
    .limit(bindparam("limit"))
)
_READY = _IN_LINE.where(IS_READY)
_AWAITING = _IN_LINE.where(*BY_AWAITED)
_DUE_ASIDE = _IN_LINE.where(IS_ASIDE, batches.c.due <= bindparam("now"))
# Of a caller at a priority the rank only grows with the order, by which its index is.
_IN_LINE_OF_CALLER = (
    _IN_LINE.where(*BY_CALLER, batches.c.caller == bindparam("caller"))
    .order_by(None)
    .order_by(batches.c.order, batches.c.position)
)
_AWAITING_OF_CALLER = _IN_LINE_OF_CALLER.where(IS_AWAITING)
_CALLERS_AWAITING = (
    select(batches.c.caller)
    .where(batches.c.instance == THIS, *BY_CALLER, batches.c.caller.is_not(None), IS_AWAITING)
    .distinct()
)
_READY_OF_CALLER = _IN_LINE_OF_CALLER.where(IS_READY)
_DUE_ASIDE_OF_CALLER = _IN_LINE_OF_CALLER.where(IS_ASIDE, batches.c.due <= bindparam("now"))
_its = ingestions.c.caller == bindparam("caller")
_OPEN_OF_CALLER = _open_among(_its, by=["order"])
_NEAR_OF_CALLER = _open_among(_its, by=["order"], count=_that_fit)
_SOONEST = _IN_LINE.where(IS_ASIDE, batches.c.due > bindparam("now")).order_by(None).order_by(batches.c.due)
PROMOTE = (
    update(batches).where(batches.c.instance == THIS, IS_ASIDE, batches.c.due <= bindparam("now")).values(line=READY)
)
_NEXT_RETRY = select(func.min(batches.c.due)).where(
    batches.c.instance == THIS, IS_ASIDE, batches.c.due > bindparam("now")
)
_NEXT_DUE = select(
    exists().where(batches.c.instance == THIS, *BY_RANK),
    select(func.min(batches.c.due)).where(batches.c.instance == THIS, IS_ASIDE).scalar_subquery(),
)


class Candidate(NamedTuple):
    """A batch that may start next, `fresh` if it never started, else with when it last did."""

    place: tuple[float, int, int]
    row: IngestionRow
    position: int
    state: int
    fresh: bool
    attempt: int
    due: float
    error: BatchError | None
    ids: list[int] | list[str]
    answers: Answers
    started_at: float | None = None

    @property
    def following(self) -> tuple[float, int, int] | None:
        """The place of the batch that is next in line of its ingestion after it, None if there is none."""
        rank, order, position = self.place
        following = position + 1
        return (rank, order, following) if self.fresh and following < self.row.batch_count else None

    def batch(self, attempt: int, status: Status) -> Batch:
        row = self.row
        return Batch(row.id, self.position, self.ids, status, Priority(row.priority), attempt, self.error)


def pick(view: View, limit: int, *, promoted: bool = False, caller: int | None = None) -> list[Candidate]:
    """Returns the most urgent due batches, of a caller if one is given, in order.

    `promoted` says that no due batch is still set aside.
    """
    if caller is None:
        fresh, *in_line = _OPEN, _READY, _DUE_ASIDE
    else:
        fresh, *in_line = _OPEN_OF_CALLER, _READY_OF_CALLER, _DUE_ASIDE_OF_CALLER
    rows: dict[int, IngestionRow] = {}
    found: list[Candidate] = []
    values = {"this": view.queue.instance, "limit": limit, "now": view.now, "large": view.shelf.large}
    if caller is not None:
        values["caller"] = caller
    for *columns, packed in view.connection.execute(fresh, values).all():
        row = rows[columns[0]] = IngestionRow(*columns)
        found += _never_started(view, row, limit, packed)
    if view.queue.lined:
        for statement in in_line[:1] if promoted else in_line:
            found += _in_line(view, view.connection.execute(statement, values).all(), rows)
    found.sort(key=lambda candidate: candidate.place)
    return found[:limit]


def near(view: View, free: int, limit: int, *, caller: int | None = None) -> list[Candidate]:
    """Returns due batches in order, among them the first `limit` that may ride in a call with `free` places.

    They are of a caller if one is given. Of each ingestion, no more batches than could fit. No due batch is set aside.
    """
    rows, found = dict[int, IngestionRow](), list[Candidate]()
    fresh, ready = (_NEAR, _READY) if caller is None else (_NEAR_OF_CALLER, _READY_OF_CALLER)
    values = {"this": view.queue.instance, "limit": limit, "large": view.shelf.large}
    if caller is not None:
        values["caller"] = caller
    for *columns, packed in view.connection.execute(fresh, values | {"free": free}).all():
        row = rows.setdefault(columns[0], IngestionRow(*columns))
        found += _never_started(view, row, 1 + free // row.batch_size, packed)
    if view.queue.lined:
        found += _in_line(view, view.connection.execute(ready, values).all(), rows)
    found.sort(key=lambda candidate: candidate.place)
    return found


def _never_started(view: View, row: IngestionRow, count: int, packed: bytes | None) -> Iterator[Candidate]:
    """Yields the next `count` batches of an ingestion."""
    size = row.batch_size
    unpacked = ids_of(view, row, row.cursor, count, packed)
    for nth, first in enumerate(range(0, len(unpacked), size)):
        position = row.cursor + nth
        part = unpacked[first : first + size]
        place = row.rank, row.order, position
        yield Candidate(place, row, position, NEW, True, 0, row.created_at, None, part, Answers(len(part)))


def soonest(view: View, limit: int) -> list[Candidate]:
    """Returns the first `limit` batches that are set aside and not yet due, by due time."""
    if not view.queue.lined:
        return []
    values = {"this": view.queue.instance, "limit": limit, "now": view.now, "large": view.shelf.large}
    return _in_line(view, view.connection.execute(_SOONEST, values).all(), {})


def awaiting(view: View, limit: int, *, caller: int | None = None) -> list[Candidate]:
    """Returns the first `limit` batches that await another, of a caller if one is given, in order."""
    if not view.queue.lined:
        return []
    values = {"this": view.queue.instance, "limit": limit, "large": view.shelf.large, "caller": caller}
    statement = _AWAITING if caller is None else _AWAITING_OF_CALLER
    return _in_line(view, view.connection.execute(statement, values).all(), {})


def callers_awaiting(view: View) -> set[int]:
    """Returns the numbers of the callers that have batches that await another."""
    return {number for (number,) in view.connection.execute(_CALLERS_AWAITING, {"this": view.queue.instance}).all()}


def _in_line(view: View, found: list[Any], rows: dict[int, IngestionRow]) -> list[Candidate]:
    candidates = []
    for columns in found:
        row = rows.setdefault(columns[0], IngestionRow(*columns[: len(INGESTION_NAMES)]))
        at, was, attempt, due, began, alone, known, error_type, message, packed = columns[len(INGESTION_NAMES) :]
        error = BatchError(error_type, message) if error_type else None
        part = ids_of(view, row, at, 1, packed)
        answers, place = answers_of(len(part), known, alone), (row.rank, row.order, at)
        candidates.append(Candidate(place, row, at, was, False, attempt, due, error, part, answers, began))
    return candidates


def ids_of(view: View, row: IngestionRow, position: int, count: int, packed: bytes | None) -> list[int] | list[str]:
    """Returns the ids of `count` batches from a position, off the shelf if `packed` does not hold them."""
    if packed is not None:
        return unpack(packed).tolist()
    size = row.batch_size
    return view.ids(row, slice(position * size, (position + count) * size)).tolist()


def first_due(view: View) -> float | None:
    """Returns when the first waiting batch is due: at most `now` if one is due already, None if all await others."""
    queue = view.queue
    if queue.total > queue.lined:
        return view.now
    if not queue.total:
        return None
    ready: bool
    aside: float | None
    ready, aside = view.connection.execute(_NEXT_DUE, {"this": queue.instance}).one()
    return view.now if ready else aside


def next_retry(view: View) -> float | None:
    """Returns when the first retry is due, None if there is none."""
    if not view.queue.lined:
        return None
    values = {"this": view.queue.instance, "now": view.now}
    due: float | None = view.connection.execute(_NEXT_RETRY, values).scalar()
    return due
