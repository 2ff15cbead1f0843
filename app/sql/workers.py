"""The workers of a queue: their reports and departures, and the sum of their slots."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from ..core import Run, WorkerReport, batch_id
from .instance import View
from .journal import workers
from .picks import SAME_INGESTION
from .schema import BY_LEASE, THIS, all_of, batches, ingestions
from .turns import Turn

_COLUMNS = [workers.c[name] for name in WorkerReport._fields]
_ONE = (workers.c.instance == THIS, workers.c.id == bindparam("of_id"))
_ALL = select(*_COLUMNS).where(workers.c.instance == THIS).order_by(workers.c.started_at, workers.c.id)
_ADD = insert(workers).values(all_of(workers))
_SEEN = (
    update(workers).where(*_ONE).values({name: bindparam(name) for name in ("busy", "abandoned", "slots", "seen_at")})
)
_RUNS = (
    select(batches.c.worker, ingestions.c.id, batches.c.position, batches.c.attempt, batches.c.started_at)
    .join_from(batches, ingestions, SAME_INGESTION)
    .where(batches.c.instance == THIS, *BY_LEASE)
    .order_by(batches.c.started_at, batches.c.order, batches.c.position)
    .limit(bindparam("most"))
)
_LEAVE = delete(workers).where(*_ONE)
_FORGET = delete(workers).where(workers.c.instance == THIS, workers.c.seen_at <= bindparam("since"))


def report(turn: Turn, worker: WorkerReport) -> int:
    """Record that a worker is alive, and forget those that did not report within a lease; returns its slots."""
    this = {"this": turn.queue.instance}
    if any(one.id == worker.id for one in _everyone(turn)):
        values = {"busy": worker.busy, "abandoned": worker.abandoned, "slots": worker.slots, "seen_at": turn.now}
        turn.connection.execute(_SEEN, this | {"of_id": worker.id} | values)
    else:
        added = worker._replace(started_at=turn.now, seen_at=turn.now)
        turn.connection.execute(_ADD, added._asdict() | {"instance": turn.queue.instance})
    turn.connection.execute(_FORGET, this | {"since": turn.now - turn.settings.lease})
    count(turn)
    return turn.queue.concurrency().of(worker, turn.settings)


def leave(turn: Turn, worker_id: str) -> None:
    """Forget a worker."""
    turn.connection.execute(_LEAVE, {"this": turn.queue.instance, "of_id": worker_id})
    count(turn)


def present(view: View) -> list[WorkerReport]:
    """Returns the workers that reported within a lease."""
    return [one for one in _everyone(view) if one.seen_at > view.now - view.settings.lease]


def runs(view: View, limit: int) -> list[Run]:
    """Returns the batches in process, the longest running first."""
    found = view.connection.execute(_RUNS, {"this": view.queue.instance, "most": limit})
    return [
        Run(worker, batch_id(ingestion_id, position), ingestion_id, attempt, started_at)
        for worker, ingestion_id, position, attempt, started_at in found
    ]


def _everyone(view: View) -> list[WorkerReport]:
    rows, concurrency = view.connection.execute(_ALL, {"this": view.queue.instance}).all(), view.queue.concurrency()
    return [one._replace(slots=concurrency.of(one, view.settings)) for one in (WorkerReport(*row) for row in rows)]


def count(turn: Turn) -> None:
    """Add up how many batches they may run at once."""
    turn.queue.slots = sum(one.slots for one in _everyone(turn))
