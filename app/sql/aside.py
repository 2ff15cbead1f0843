"""The batches that wait for their retry, as the database counts them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, func, or_, select

from ..core import Place
from .rows import QueueRow
from .schema import IS_ASIDE, THIS, batches
from .wire import Wire

_KEPT = 501
"""Retries that are read at once; where there are more, the database counts."""

_place = (batches.c.rank, batches.c.order)
_SOONEST = (
    select(batches.c.due, *_place)
    .where(batches.c.instance == THIS, IS_ASIDE)
    .order_by(batches.c.due)
    .limit(bindparam("limit"))
)
_DUE_BY = select(func.count()).where(batches.c.instance == THIS, IS_ASIDE, batches.c.due <= bindparam("moment"))
_AHEAD = _DUE_BY.where(
    or_(
        batches.c.rank < bindparam("rank"),
        (batches.c.rank == bindparam("rank")) & (batches.c.order < bindparam("order")),
    )
)
_BOUNDS = select(func.min(batches.c.due), func.max(batches.c.due)).where(
    batches.c.instance == THIS,
    IS_ASIDE,
    or_(
        batches.c.rank > bindparam("rank"),
        (batches.c.rank == bindparam("rank")) & (batches.c.order >= bindparam("order")),
    ),
    or_(
        batches.c.rank < bindparam("end_rank"),
        (batches.c.rank == bindparam("end_rank")) & (batches.c.order < bindparam("end_order")),
    ),
)


class Aside:
    """What is set aside until it is due, in one snapshot or turn."""

    def __init__(self, connection: Wire, queue: QueueRow) -> None:
        self._connection = connection
        self._queue = queue
        self._first: list[tuple[float, Place]] | None = None
        self._counted: dict[tuple[float, Place | None], int] = {}

    def due_by(self, moment: float, before: Place | None) -> int:
        """Returns how many are due by `moment`; with `before`, only of ingestions ahead of that place."""
        known = self.soonest(_KEPT)
        if len(known) < _KEPT or known[-1][0] > moment:
            due = known[: bisect_right(known, moment, key=itemgetter(0))]
            return len(due) if before is None else sum(place < before for _, place in due)
        if (moment, before) not in self._counted:
            values: dict[str, Any] = {"this": self._queue.instance, "moment": moment}
            if before is not None:
                values |= {"rank": before[0], "order": before[1]}
            statement = _DUE_BY if before is None else _AHEAD
            self._counted[moment, before] = int(self._connection.execute(statement, values).scalar())
        return self._counted[moment, before]

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due and its ingestion's place."""
        if self._first is None:
            self._first = []
            if self._queue.lined:
                values = {"this": self._queue.instance, "limit": _KEPT}
                rows = self._connection.execute(_SOONEST, values).all()
                self._first = [(due, (rank, order)) for due, rank, order in rows]
        return self._first[:limit]

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the first and the last due of those with places from `first` up to `end`."""
        values = {"rank": first[0], "order": first[1], "end_rank": end[0], "end_order": end[1]}
        found = self._connection.execute(_BOUNDS, values | {"this": self._queue.instance}).one()
        return float(found[0]), float(found[1])
