"""The batches waiting for their retry, as the database counts them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from sqlalchemy import bindparam, func, or_, select

from ..core import EXACT_RETRIES, Place
from .rows import QueueRow
from .schema import IS_ASIDE, THIS, batches
from .wire import Wire

_MOST = EXACT_RETRIES + 1
"""How many retries are read: one more than a Timeline simulates, so that it sees when there are more."""

_COUNTED = 10_000
"""How many batches in line that started before may be looked at to count the retries among them."""

_IS_TO_COME = (IS_ASIDE, batches.c.due > bindparam("now"))
_SOONEST = (
    select(batches.c.due, batches.c.rank, batches.c.order)
    .where(batches.c.instance == THIS, *_IS_TO_COME)
    .order_by(batches.c.due)
    .limit(bindparam("limit"))
)
_is_before = or_(
    batches.c.rank < bindparam("end_rank"),
    (batches.c.rank == bindparam("end_rank")) & (batches.c.order < bindparam("end_order")),
)
_COUNT = select(func.count()).select_from(batches).where(batches.c.instance == THIS, *_IS_TO_COME, _is_before)
_of_these = (
    select(batches.c.due)
    .where(
        batches.c.instance == THIS,
        *_IS_TO_COME,
        or_(
            batches.c.rank > bindparam("rank"),
            (batches.c.rank == bindparam("rank")) & (batches.c.order >= bindparam("order")),
        ),
        _is_before,
    )
    .limit(1)
)
# Read from either end of the index, because min and max would read all of it.
_BOUNDS = _of_these.order_by(batches.c.due), _of_these.order_by(batches.c.due.desc())


class Aside:
    """The batches set aside that are not yet due, in one snapshot or turn: the first to fall due are read once.

    Those after them are counted, as if they fell due together with the last one read: an estimate before that moment is
    exact, one after it may be late. Where they are too many to count in a turn, they count as ready.
    """

    def __init__(self, connection: Wire, queue: QueueRow, now: float) -> None:
        self._connection = connection
        self._queue = queue
        self._values = {"this": queue.instance, "now": now}
        self._read: list[tuple[float, Place]] | None = None
        self._counts: dict[Place | None, int] = {}

    def due_by(self, moment: float, before: Place | None) -> int:
        """Returns how many are due by `moment`; with `before`, only those of ingestions ahead of that place."""
        known = self._known()
        if len(known) == _MOST and moment >= known[-1][0] and self._queue.lined <= _COUNTED:
            return self._count(before)
        due = known[: bisect_right(known, moment, key=itemgetter(0))]
        return len(due) if before is None else sum(place < before for _, place in due)

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due time and its ingestion's place."""
        return self._known()[:limit]

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the earliest and latest due times of those with places from `first` up to `end`."""
        values = self._values | {"rank": first[0], "order": first[1], "end_rank": end[0], "end_order": end[1]}
        least, most = (self._connection.execute(statement, values).scalar() for statement in _BOUNDS)
        return float(least), float(most)

    def _count(self, before: Place | None) -> int:
        if before not in self._counts:
            rank, order = before or (math.inf, 0)
            values = self._values | {"end_rank": rank, "end_order": order}
            self._counts[before] = int(self._connection.execute(_COUNT, values).scalar())
        return self._counts[before]

    def _known(self) -> list[tuple[float, Place]]:
        if self._read is None:
            self._read = []
            if self._queue.lined:
                rows = self._connection.execute(_SOONEST, self._values | {"limit": _MOST}).all()
                self._read = [(due, (rank, order)) for due, rank, order in rows]
        return self._read
