"""The attempts at batches, as they are kept with ATTEMPTS_KEPT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from ..core import Attempt, BatchError, outcome_of, this_process
from .instance import View
from .journal import attempts
from .rows import IngestionRow
from .schema import BATCH_KEY, THIS, batch_key
from .turns import Turn
from .wire import Values

_LOGGED = ("instance", "order", "position", "number", "attempt", "due_at", "started_at", "limited_by")
_STARTED = (*_LOGGED, "host", "process")
_ADD = insert(attempts).values({name: bindparam(name) for name in _STARTED})
_of_batch = (
    attempts.c.instance == bindparam("of_instance"),
    attempts.c.order == bindparam("of_order"),
    attempts.c.position == bindparam("of_position"),
)
_ENDED = ("ended_at", "outcome", "error_type", "error_message")
_END = (
    update(attempts).where(*_of_batch, attempts.c.ended_at.is_(None)).values({name: bindparam(name) for name in _ENDED})
)
_kept = (
    select(attempts.c.number).where(*_of_batch).order_by(attempts.c.number.desc()).limit(bindparam("kept")).subquery()
)
_TRIM = delete(attempts).where(*_of_batch, attempts.c.number < select(func.min(_kept.c.number)).scalar_subquery())
_OF_SPAN = (
    select(*(attempts.c[name] for name in ("position", "attempt", *_STARTED[5:], *_ENDED)))
    .where(
        attempts.c.instance == THIS,
        attempts.c.order == bindparam("order"),
        attempts.c.position >= bindparam("start"),
        attempts.c.position < bindparam("stop"),
    )
    .order_by(attempts.c.position, attempts.c.number)
)


def start(turn: Turn, dispatches: Sequence[Mapping[str, Any]], fresh: Sequence[bool]) -> None:
    """Record attempts that start, given their entries in the dispatch log and whether each is its batch's first.

    Forgets those of the other batches that are too many by now.
    """
    host, process = this_process()
    started = [{name: one[name] for name in _LOGGED} | {"host": host, "process": process} for one in dispatches]
    turn.connection.execute(_ADD, started)
    again = [one for one, is_fresh in zip(dispatches, fresh, strict=True) if not is_fresh]
    if again:
        turn.connection.execute(
            _TRIM,
            [
                batch_key(one["instance"], one["order"], one["position"]) | {"kept": turn.settings.attempts_kept}
                for one in again
            ],
        )


def ended(batch: Values, state: int, error: BatchError | None, *, counted: bool) -> Values:
    """Returns what to record of an attempt that ended, given what its `batch` becomes and the batch's new state."""
    told = {name: batch[name] if error else None for name in ("error_type", "error_message")}
    key = {name: batch[name] for name in BATCH_KEY}
    return {**key, **told, "outcome": outcome_of(state, counted=counted)}


def end(turn: Turn, some: Sequence[Values]) -> None:
    """Record how some attempts ended."""
    turn.connection.execute(_END, [{**one, "ended_at": turn.now} for one in some])


def of(view: View, row: IngestionRow, offset: int, limit: int | None) -> list[Attempt]:
    """Returns the attempts at the batches from `offset`, `limit` at most."""
    span = range(offset, row.batch_count)[:limit]
    values = {"this": view.queue.instance, "order": row.order, "start": span.start, "stop": span.stop}
    return [
        Attempt._make([*told, BatchError(error_type, message) if error_type else None])
        for *told, error_type, message in view.connection.execute(_OF_SPAN, values)
    ]
