"""The ingestions by age, for listings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select

from ..core import Filter, Ingestion, Priority, Status
from .instance import View
from .rows import INGESTION_COLUMNS, IngestionRow
from .schema import HAS_FAILED, THIS, ingestions, remembered

_WIDER = 10
"""How many times as many are looked at where no index is by status."""

_here = (ingestions.c.instance == THIS, ingestions.c.order.between(bindparam("first"), bindparam("last")))
_of_kind = (
    select(ingestions.c.order)
    .where(
        *_here,
        remembered(ingestions, bindparam("forgotten")),
        ingestions.c.status == bindparam("status"),
        ingestions.c.priority == bindparam("priority"),
    )
    .limit(bindparam("most"))
    .subquery()
)
_COUNT_KIND = select(func.count()).select_from(_of_kind)
_FROM = (
    select(ingestions.c.order, ingestions.c.created_at)
    .where(ingestions.c.instance == THIS, ingestions.c.order >= bindparam("order"))
    .order_by(ingestions.c.order)
    .limit(1)
)


def listing(view: View, where: Filter, before: int | None, limit: int) -> list[Ingestion]:
    """Returns a page of the ingestions that are remembered, newest first."""
    column = ingestions.c
    wanted: list[Any] = [column.instance == view.queue.instance, remembered(ingestions, view.forgotten)]
    if where.owner is not None:
        wanted.append(column.owner == where.owner)
    if where.failed:
        wanted.append(HAS_FAILED)
    if where.unfinished:
        wanted.append(column.finished_at.is_(None))
    orders = _orders(view, where)
    # One bound on either side: with two on one, SQLite reads the whole range rather than what is wanted of it.
    stop = orders.stop if before is None else min(before, orders.stop)
    wanted.append(column.order.between(orders.start, stop - 1))
    found: list[Any] = []
    for kind in _kinds(where):
        statement = select(*INGESTION_COLUMNS).where(*wanted, *kind).order_by(column.order.desc()).limit(limit)
        found += view.connection.execute(statement, {}, keep=False).all()
    newest = sorted((IngestionRow(*row) for row in found), key=lambda row: row.order, reverse=True)
    return [row.snapshot() for row in newest[:limit]]


def count(view: View, where: Filter, most: int) -> dict[Status, int]:
    """Returns how many ingestions that are remembered a filter takes in each status; see `Store.count`."""
    orders = _orders(view, where)
    values = {
        "this": view.queue.instance,
        "forgotten": view.forgotten,
        "first": orders.start,
        "last": orders.stop - 1,
    }
    counts = dict.fromkeys(Status, 0)
    for status, number in _counted(view, where, values, most):
        counts[status] = min(most, counts[status] + number)
    return counts


def _counted(view: View, where: Filter, values: dict[str, Any], most: int) -> Iterator[tuple[Status, int]]:
    if where.owner is not None or where.failed:
        statement = _among(where, most * _WIDER)
        for status, number in view.connection.execute(statement, values, keep=False).all():
            yield Status(status), number
        return
    for status in Status:
        for priority in [where.priority] if where.priority else Priority:
            kind = {"status": status.value, "priority": priority.value, "most": most}
            yield status, view.connection.execute(_COUNT_KIND, values | kind).scalar()


def _among(where: Filter, most: int) -> Select[Any]:
    """Returns the query of how many are in each status among the latest of an owner, or of those with failures."""
    wanted: list[Any] = [*_here]
    if where.owner is not None:
        wanted.append(ingestions.c.owner == where.owner)
    if where.failed:
        wanted.append(HAS_FAILED)
    latest = select(ingestions).where(*wanted).order_by(ingestions.c.order.desc()).limit(most).subquery()
    told = select(latest.c.status, func.count()).where(remembered(latest, bindparam("forgotten")))
    if where.priority is not None:
        told = told.where(latest.c.priority == where.priority.value)
    return told.group_by(latest.c.status)


def _orders(view: View, where: Filter) -> range:
    """Returns the orders of what was submitted in a filter's time: the later ones were never submitted earlier."""
    since, until = where.since, where.until
    first = 1 if since is None else _first(view, lambda at: at >= since)
    return range(first, view.queue.orders + 1 if until is None else _first(view, lambda at: at > until))


def _first(view: View, is_wanted: Callable[[float], bool]) -> int:
    """Returns the first order that was submitted at a time that is wanted; so were all after it."""
    low, high = 1, view.queue.orders + 1
    while low < high:
        middle = (low + high) // 2
        found = view.connection.execute(_FROM, {"this": view.queue.instance, "order": middle}).first()
        if found is None or is_wanted(found[1]):
            high = middle
        else:
            low = found[0] + 1
    return low


def _kinds(where: Filter) -> list[list[ColumnElement[bool]]]:
    """Returns conditions, under each of which an index is in the listing's order; one query for all would sort all."""
    is_few = where.failed or (where.unfinished and where.owner is not None)
    if is_few or (where.status, where.priority, where.unfinished) == (None, None, False):
        return [_equal(where.status, where.priority)]
    statuses = [where.status] if where.status else [one for one in Status if not (where.unfinished and one.final)]
    priorities = [where.priority] if where.priority else Priority
    return [_equal(status, priority) for status in statuses for priority in priorities]


def _equal(status: Status | None, priority: Priority | None) -> list[ColumnElement[bool]]:
    columns = (ingestions.c.status, status), (ingestions.c.priority, priority)
    return [column == value.value for column, value in columns if value is not None]
