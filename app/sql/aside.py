"""The batches waiting for their retry, as the database counts them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter

from sqlalchemy import bindparam, func, select, tuple_

from ..core import EXACT_RETRIES, Place, Steady
from .rows import QueueRow
from .schema import IS_ASIDE, THIS, batches
from .wire import Wire

_MOST = EXACT_RETRIES + 1
"""How many retries are read: one more than a Timeline simulates, so that it sees when there are more."""

_COUNTED = 10_000
"""How many batches in line that started before may be looked at to count the retries among them."""

_COUNTS = 10
"""How many moments up to which to count are tried."""

_TO_COME = (batches.c.instance == THIS, IS_ASIDE, batches.c.due > bindparam("now"))
_SOONEST = (
    select(batches.c.due, batches.c.rank, batches.c.order)
    .where(*_TO_COME)
    .order_by(batches.c.due)
    .limit(bindparam("limit"))
)
_place = tuple_(batches.c.rank, batches.c.order)
_is_before = _place < tuple_(bindparam("end_rank"), bindparam("end_order"))
_COUNT = select(func.count()).select_from(batches).where(*_TO_COME, batches.c.due <= bindparam("moment"), _is_before)
# Read from either end of the index, because min and max would read all of it.
_due = select(batches.c.due).where(*_TO_COME).limit(1)
_LATEST = _due.order_by(batches.c.due.desc())
_of_these = _place >= tuple_(bindparam("rank"), bindparam("order")), _is_before
_BOUNDS = _due.where(*_of_these).order_by(batches.c.due), _LATEST.where(*_of_these)


class Aside:
    """The batches set aside that are not yet due, in one snapshot or turn: the first to fall due are read once.

    Those after them are counted. Beyond `_COUNTS` counts, those of an earlier moment are taken, and an estimate that
    needs more is the soonest it can be. Where they are too many to count in a turn, they count as ready.
    """

    def __init__(self, connection: Wire, queue: QueueRow, now: float) -> None:
        self._connection = connection
        self._queue = queue
        self._values = {"this": queue.instance, "now": now}
        self._read: list[tuple[float, Place]] | None = None
        self._last: float | None = None
        self._counts: dict[tuple[float, Place | None], int] = {}

    @property
    def counts_all(self) -> bool:
        return self._queue.lined <= _COUNTED

    def count(self, before: Place | None) -> int:
        """Returns how many there are; with `before`, only those of ingestions ahead of that place."""
        return self._due_by(math.inf, before)

    def fallen(
        self,
        ready: int,
        before: Place | None,
        start: Callable[[int], float],
        steady: Steady,  # noqa: ARG002 - memory goes by it
    ) -> int:
        """Returns how many fall due by the start after `ready` batches and them; `before` as in `count`.

        `start` returns when a start is by its number.
        """
        found = 0
        while (more := self._due_by(start(ready + found), before)) > found:
            found = more
        return found

    def _due_by(self, moment: float, before: Place | None) -> int:
        known = self._known()
        if len(known) == _MOST and moment >= known[-1][0] and self.counts_all:
            return self._count(moment, before)
        return self._of_known(moment, before)

    def soonest(self, limit: int) -> Sequence[tuple[float, Place]]:
        """Returns the first `limit` to fall due, each as its due time and its ingestion's place."""
        return self._known()[:limit]

    def bounds(self, first: Place, end: Place) -> tuple[float, float]:
        """Returns the earliest and latest due times of those with places from `first` up to `end`."""
        values = self._values | {"rank": first[0], "order": first[1], "end_rank": end[0], "end_order": end[1]}
        least, most = (self._connection.execute(statement, values).scalar() for statement in _BOUNDS)
        return float(least), float(most)

    def _count(self, moment: float, before: Place | None) -> int:
        if moment >= self._latest():
            moment = math.inf
        elif sum(at < math.inf for at, _ in self._counts) >= _COUNTS:
            earlier = [at for at, of in self._counts if of == before and at <= moment]
            if not earlier:
                return self._of_known(moment, before)
            moment = max(earlier)
        if (moment, before) not in self._counts:
            rank, order = before or (math.inf, 0)
            values = self._values | {"moment": moment, "end_rank": rank, "end_order": order}
            self._counts[moment, before] = int(self._connection.execute(_COUNT, values).scalar())
        return self._counts[moment, before]

    def _of_known(self, moment: float, before: Place | None) -> int:
        known = self._known()
        due = known[: bisect_right(known, moment, key=itemgetter(0))]
        return len(due) if before is None else sum(place < before for _, place in due)

    def _latest(self) -> float:
        if self._last is None:
            self._last = float(self._connection.execute(_LATEST, self._values).scalar())
        return self._last

    def _known(self) -> list[tuple[float, Place]]:
        if self._read is None:
            self._read = []
            if self._queue.lined:
                rows = self._connection.execute(_SOONEST, self._values | {"limit": _MOST}).all()
                self._read = [(due, (rank, order)) for due, rank, order in rows]
        return self._read
