"""The workers of a queue: their reports and departures, and the sum of their slots."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from ..core import WorkerReport
from .instance import View
from .schema import THIS, all_of, workers
from .turns import Turn

_COLUMNS = [workers.c[name] for name in WorkerReport._fields]
_ONE = (workers.c.instance == THIS, workers.c.id == bindparam("of_id"))
_ALL = select(*_COLUMNS).where(workers.c.instance == THIS).order_by(workers.c.started_at, workers.c.id)
_ADD = insert(workers).values(all_of(workers))
_SEEN = (
    update(workers).where(*_ONE).values({name: bindparam(name) for name in ("busy", "abandoned", "slots", "seen_at")})
)
_LEAVE = delete(workers).where(*_ONE)
_FORGET = delete(workers).where(workers.c.instance == THIS, workers.c.seen_at <= bindparam("since"))


def report(turn: Turn, worker: WorkerReport, lease: float) -> None:
    """Record that a worker is alive, and forget those that did not report within a lease."""
    this = {"this": turn.queue.instance}
    if any(one.id == worker.id for one in _everyone(turn)):
        values = {"busy": worker.busy, "abandoned": worker.abandoned, "slots": worker.slots, "seen_at": turn.now}
        turn.connection.execute(_SEEN, this | {"of_id": worker.id} | values)
    else:
        added = worker._replace(started_at=turn.now, seen_at=turn.now)
        turn.connection.execute(_ADD, added._asdict() | {"instance": turn.queue.instance})
    turn.connection.execute(_FORGET, this | {"since": turn.now - lease})
    _count(turn)


def leave(turn: Turn, worker_id: str) -> None:
    """Forget a worker."""
    turn.connection.execute(_LEAVE, {"this": turn.queue.instance, "of_id": worker_id})
    _count(turn)


def present(view: View, lease: float) -> list[WorkerReport]:
    """Returns the workers that reported within a lease."""
    return [one for one in _everyone(view) if one.seen_at > view.now - lease]


def _everyone(view: View) -> list[WorkerReport]:
    return [WorkerReport(*row) for row in view.connection.execute(_ALL, {"this": view.queue.instance}).all()]


def _count(turn: Turn) -> None:
    turn.queue.slots = sum(one.slots for one in _everyone(turn))
