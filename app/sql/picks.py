"""Which batches go next, and why none may."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, case, exists, func, select, update

from ..core import NEW, Batch, BatchError, Priority, Status, TokenBucket
from ..store import Wait
from .ids import slice_of, unpack
from .instance import View
from .rows import RECORD_COLUMNS, RECORD_NAMES, Limiter, Record
from .schema import IS_ASIDE, IS_OPEN, IS_READY, READY, THIS, batches, ids, ingestions

_large = bindparam("large", type_=BigInteger)
_open = (
    select(*RECORD_COLUMNS)
    .where(ingestions.c.instance == THIS, IS_OPEN)
    .order_by(ingestions.c.rank, ingestions.c.order)
    .limit(bindparam("limit"))
    .subquery()
)
_OPEN = (
    select(
        *_open.c,
        case(
            (_open.c.id_count > _large, None),
            else_=slice_of(_open.c.cursor * _open.c.batch_size, _open.c.batch_size * bindparam("limit")),
        ),
    )
    .join_from(_open, ids, (ids.c.instance == THIS) & (ids.c.order == _open.c.order))
    .order_by(_open.c.rank, _open.c.order)
)
BATCH_COLUMNS = [
    batches.c.position,
    batches.c.state,
    batches.c.attempt,
    batches.c.due,
    batches.c.started_at,
    batches.c.error_type,
    batches.c.error_message,
]
SAME_INGESTION = (ingestions.c.instance == batches.c.instance) & (ingestions.c.order == batches.c.order)
OF_IDS = (ids.c.instance == batches.c.instance) & (ids.c.order == batches.c.order)
_IN_LINE = (
    select(
        *RECORD_COLUMNS,
        *BATCH_COLUMNS,
        case(
            (ingestions.c.id_count > _large, None),
            else_=slice_of(batches.c.position * ingestions.c.batch_size, ingestions.c.batch_size),
        ),
    )
    .join_from(batches, ingestions, SAME_INGESTION)
    .join(ids, OF_IDS)
    .where(batches.c.instance == THIS)
    .order_by(batches.c.rank, batches.c.order, batches.c.position)
    .limit(bindparam("limit"))
)
_READY = _IN_LINE.where(IS_READY)
_DUE_ASIDE = _IN_LINE.where(IS_ASIDE, batches.c.due <= bindparam("now"))
PROMOTE = (
    update(batches).where(batches.c.instance == THIS, IS_ASIDE, batches.c.due <= bindparam("now")).values(line=READY)
)
_NEXT_RETRY = select(func.min(batches.c.due)).where(
    batches.c.instance == THIS, IS_ASIDE, batches.c.due > bindparam("now")
)
_NEXT_DUE = select(
    exists().where(batches.c.instance == THIS, IS_READY),
    select(func.min(batches.c.due)).where(batches.c.instance == THIS, IS_ASIDE).scalar_subquery(),
)


class Candidate(NamedTuple):
    """A batch that may go next, `fresh` if it was never dispatched."""

    place: tuple[float, int, int]
    record: Record
    position: int
    state: int
    fresh: bool
    attempt: int
    due: float
    error: BatchError | None
    ids: list[int]

    def batch(self, attempt: int, status: Status) -> Batch:
        record = self.record
        return Batch(record.id, self.position, self.ids, status, Priority(record.priority), attempt, self.error)


def pick(view: View, limit: int, *, promoted: bool = False) -> list[Candidate]:
    """The most urgent batches that are due, in order. `promoted` says that none of those is set aside."""
    records: dict[int, Record] = {}
    found: list[Candidate] = []
    values = {"this": view.limiter.instance, "limit": limit, "now": view.now, "large": view.shelf.large}
    for *columns, packed in view.connection.execute(_OPEN, values).all():
        record = records[columns[0]] = Record(*columns)
        size = record.batch_size
        unpacked = _ids(view, record, record.cursor, limit, packed)
        for nth, first in enumerate(range(0, len(unpacked), size)):
            position = record.cursor + nth
            part = unpacked[first : first + size]
            place = record.rank, record.order, position
            found.append(Candidate(place, record, position, NEW, True, 0, record.created_at, None, part))
    if view.limiter.lined:
        for statement in (_READY,) if promoted else (_READY, _DUE_ASIDE):
            for row in view.connection.execute(statement, values).all():
                record = records.setdefault(row[0], Record(*row[: len(RECORD_NAMES)]))
                at, was, attempt, due, _, error_type, message, packed = row[len(RECORD_NAMES) :]
                error = BatchError(error_type, message) if error_type else None
                part = _ids(view, record, at, 1, packed)
                place = record.rank, record.order, at
                found.append(Candidate(place, record, at, was, False, attempt, due, error, part))
    found.sort(key=lambda candidate: candidate.place)
    return found[:limit]


def _ids(view: View, record: Record, position: int, count: int, packed: bytes | None) -> list[int]:
    """The ids of `count` batches from a position, where `packed` does not hold them already."""
    if packed is not None:
        return unpack(packed).tolist()
    size = record.batch_size
    return view.ids(record, slice(position * size, (position + count) * size)).tolist()


def first_due(view: View) -> float | None:
    """When the first batch that waits is due; at most `now` where one is, None where nothing waits."""
    state = view.limiter
    if state.total > state.lined:
        return view.now
    if not state.total:
        return None
    ready, aside = view.connection.execute(_NEXT_DUE, {"this": state.instance}).one()
    return view.now if ready or aside is None else float(aside)


def next_retry(view: View) -> float | None:
    """When the first batch that goes again and is not due yet will be; None where there is none."""
    if not view.limiter.lined:
        return None
    values = {"this": view.limiter.instance, "now": view.now}
    due: float | None = view.connection.execute(_NEXT_RETRY, values).scalar()
    return due


def blocked(state: Limiter, bucket: TokenBucket, now: float, slots: int, due: float | None) -> Wait | None:
    """Why nothing can be dispatched now, or None where something can. `due` is when the first batch is."""
    if state.paused:
        return Wait(None, "paused")
    if state.hold_until > now:
        return Wait(state.hold_until - now, "hold")
    if due is None:
        return Wait(None, "empty")
    if due > now:
        return Wait(due - now, "retry")
    if slots <= 0:
        return Wait(None, "slots")
    if (token_at := bucket.when(0, now)) > now:
        return Wait(token_at - now, "token")
    return None
