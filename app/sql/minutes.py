"""How many batches started in each minute of the last hour.

The current minute is counted in the limiter's row, which each claim writes anyway.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select

from ..core import HOUR
from .instance import View
from .schema import THIS, all_of, minutes
from .turns import Turn

_ADD = insert(minutes).values(all_of(minutes))
_TRIM = delete(minutes).where(minutes.c.instance == THIS, minutes.c.minute <= bindparam("last"))
_HOUR = select(minutes.c.minute, minutes.c.starts).where(
    minutes.c.instance == THIS, minutes.c.minute > bindparam("last")
)


def count(turn: Turn, starts: int) -> None:
    """Count batches that start now."""
    queue = turn.queue
    minute = max(queue.minute, int(turn.now // 60))  # a clock set back adds to the latest
    if minute > queue.minute:
        if queue.starts:
            turn.connection.execute(
                _ADD, [{"instance": queue.instance, "minute": queue.minute, "starts": queue.starts}]
            )
            turn.connection.execute(_TRIM, {"this": queue.instance, "last": minute - HOUR})
        queue.minute, queue.starts = minute, 0
    queue.starts += starts


def last_hour(view: View) -> dict[int, int]:
    """Returns the counts by minutes since the epoch."""
    queue, last = view.queue, int(view.now // 60) - HOUR
    found = dict(map(tuple, view.connection.execute(_HOUR, {"this": queue.instance, "last": last}).all()))
    return {**found, queue.minute: queue.starts} if queue.starts and queue.minute > last else found
