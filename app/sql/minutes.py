"""What happened in each minute of the last hour.

The current minute's figures are in the queue's row, which each claim and each end writes anyway.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable

from sqlalchemy import bindparam, delete, insert, select

from ..core import CHANGES, HOUR, NO_WAITS, Change, Gate, Minute, add_stops, wait_index
from .instance import View
from .journal import changes, minutes
from .rows import Figures
from .schema import THIS, all_of
from .turns import Turn
from .upsert import upsert

_ADD = insert(minutes).values(all_of(minutes))
_TRIM = delete(minutes).where(minutes.c.instance == THIS, minutes.c.minute <= bindparam("last"))
_HOUR = select(minutes.c.minute, minutes.c.starts, minutes.c.figures).where(
    minutes.c.instance == THIS, minutes.c.minute > bindparam("last")
)
_latest = select(changes.c.at).where(changes.c.instance == THIS).order_by(changes.c.at.desc()).offset(CHANGES).limit(1)
_FORGET = delete(changes).where(changes.c.instance == THIS, changes.c.at <= _latest.scalar_subquery())
_CHANGES = (
    select(changes.c.at, changes.c.paused, changes.c.hold_until)
    .where(changes.c.instance == THIS)
    .order_by(changes.c.at)
)
_FIGURES = struct.Struct("qqqdd")
"""The figures as they are packed: the minute, `failed`, `judged`, `missed` and `interval`. Counts of waits follow.

They are changed in place, for to unpack and pack them all would take longer than the rest of counting a start.
"""

_FAILED, _JUDGED, _MISSED, _INTERVAL = range(1, 5)


_CHANGE = upsert(changes, lambda new: {"paused": new.paused, "hold_until": new.hold_until})


def start(turn: Turn, gate: Gate, started: Iterable[tuple[int, float]]) -> None:
    """Count batches that start now, each with its priority and for how long it was due."""
    queue, figures = turn.queue, _open(turn)
    if not queue.starts:
        memoryview(figures).cast("d")[_INTERVAL] = gate.steady_interval(turn.settings, turn.now)
    waits = memoryview(figures)[_FIGURES.size :].cast("I")
    for priority, waited in started:
        queue.starts += 1
        waits[wait_index(priority, waited)] += 1
    queue.figures = figures


def fail(turn: Turn) -> None:
    """Count a batch that fails now."""
    figures = turn.queue.figures = _open(turn)
    memoryview(figures).cast("q")[_FAILED] += 1


def miss(turn: Turn, seconds: float) -> None:
    """Count an ingestion that ends now, so far from its estimate."""
    figures = turn.queue.figures = _open(turn)
    memoryview(figures).cast("q")[_JUDGED] += 1
    memoryview(figures).cast("d")[_MISSED] += seconds


def keep(turn: Turn, gate: Gate) -> None:
    """Store a gate's changes in the queue's row, and when they came."""
    queue = turn.queue
    before = queue.paused, queue.hold_until
    queue.keep(gate)
    if (queue.paused, queue.hold_until) != before:
        change = {"at": turn.now, "paused": queue.paused, "hold_until": queue.hold_until}
        turn.connection.execute(_CHANGE[turn.connection.is_sqlite], change | {"instance": queue.instance})
        turn.connection.execute(_FORGET, {"this": queue.instance})


def last_hour(view: View) -> dict[int, Minute]:
    """Returns the figures by minutes since the epoch."""
    queue, last = view.queue, int(view.now // 60) - HOUR
    values = {"this": queue.instance, "last": last}
    rows = [tuple(row) for row in view.connection.execute(_HOUR, values).all()]
    if queue.minute > last:
        rows.append((queue.minute, queue.starts, queue.figures))
    found = {minute: told for minute, starts, figures in rows if (told := _unpack(minute, starts, figures)) != Minute()}
    changed = [Change(at, bool(paused), until) for at, paused, until in view.connection.execute(_CHANGES, values).all()]
    add_stops(found, changed, view.now)
    return found


def _open(turn: Turn) -> bytearray:
    """Returns the current minute's figures, to be changed; those of the one before are put away when it is over."""
    queue, number = turn.queue, int(turn.now // 60)
    if number > queue.minute:  # a clock set back adds to the latest
        if queue.starts or queue.figures:
            past = {"minute": queue.minute, "starts": queue.starts, "figures": queue.figures}
            turn.connection.execute(_ADD, [past | {"instance": queue.instance}])
            turn.connection.execute(_TRIM, {"this": queue.instance, "last": number - HOUR})
        queue.minute, queue.starts, queue.figures = number, 0, None
    return bytearray(_of(queue.minute, queue.figures))


def _of(number: int, figures: Figures | None) -> Figures:
    """Returns the figures of a minute, where a process of an earlier release may have left those of another."""
    if figures and _FIGURES.unpack_from(figures)[0] == number:
        return figures
    return _FIGURES.pack(number, 0, 0, 0.0, 0.0) + NO_WAITS


def _unpack(number: int, starts: int, packed: Figures | None) -> Minute:
    figures = _of(number, packed)
    _, failed, judged, missed, interval = _FIGURES.unpack_from(figures)
    return Minute(starts, failed, judged, missed, interval, array("I", figures[_FIGURES.size :]))
