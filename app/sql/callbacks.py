"""The callbacks in the database: leased, so that one process sends each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, tuple_, update

from ..callbacks import Callback, CallbackState, Delivery, Outbox, Unsent, redriven
from .audits import note
from .database import Database
from .instance import Instance, View
from .journal import callbacks
from .rows import IngestionRow
from .schema import THIS, all_of
from .turns import ROWS, Turn, Turns

_COLUMNS = [callbacks.c[name] for name in Callback._fields]
_CHANGING = ("since", "at", "state", "attempts", "error")
_here = callbacks.c.instance == THIS
_pending = (_here, callbacks.c.state == CallbackState.PENDING.value)

_ADD = insert(callbacks).values(all_of(callbacks))
_FIRST = select(*_COLUMNS).where(*_pending).order_by(callbacks.c.at).limit(1)
_ONE = select(*_COLUMNS).where(_here, callbacks.c.id == bindparam("of_id"))
_OF = (
    select(*_COLUMNS)
    .where(_here, callbacks.c.ingestion_id == bindparam("of_ingestion"))
    .order_by(callbacks.c.created_at.desc(), callbacks.c.id)
)
_SAVE = (
    update(callbacks)
    .where(_here, callbacks.c.id == bindparam("of_id"))
    .values({name: bindparam(name) for name in _CHANGING})
)
_COUNT = select(func.count()).where(_here, callbacks.c.state == bindparam("of_state"))
_key = (callbacks.c.instance, callbacks.c.id)
_OLD = (
    select(*_key)
    .where(_here, callbacks.c.state == bindparam("of_state"), callbacks.c.at <= bindparam("forgotten"))
    .limit(ROWS)
)
_FORGET = delete(callbacks).where(tuple_(*_key).in_(_OLD))


def add(turn: Turn, row: IngestionRow) -> None:
    """Add the callback of an ingestion that ends now, if anybody is to be told."""
    if turn.settings.webhook_url or row.callback is not None:
        callback = Callback.of(row.snapshot(), row.callback, turn.now)
        turn.connection.execute(_ADD, {"instance": turn.queue.instance, **_values(callback)})


class SQLOutbox(Outbox):
    """Each change is a turn. Another process's callback is noticed after STORE_POLL, where that is not 0."""

    def __init__(self, database: Database, instance: Instance, turns: Turns) -> None:
        self._database = database
        self._instance = instance
        self._turns = turns
        self._forgotten = [
            state
            for state in CallbackState
            if state is not CallbackState.PENDING or not instance.settings.has_receivers
        ]
        """Which are forgotten after RETENTION: if nobody sends what is pending, that too."""

    def claim(self, lease: float) -> Callback | float | None:
        queue, now = self._instance.look()
        first = self._database.glance(_FIRST, {"this": queue.instance})
        wait = None if first is None else _callback(first).at - now
        if wait is not None and wait <= 0:
            # None if another process was quicker; there may be more.
            return self._turns.take(lambda turn: _claim(turn, lease)) or 0.0
        return self._instance.polled(wait)

    def end(self, callback: Callback, delivery: Delivery) -> bool:
        return self._turns.take(lambda turn: _end(turn, callback, delivery))

    def of(self, ingestion_id: str) -> list[Callback]:
        return self._instance.read(lambda view: _of(view, ingestion_id))

    def redrive(self, ingestion_id: str, by: str | None = None) -> int:
        return self._turns.take(lambda turn: _redrive(turn, ingestion_id, by))

    def unsent(self) -> Unsent:
        queue, _ = self._instance.look()

        def count(state: CallbackState) -> int:
            found = self._database.glance(_COUNT, {"this": queue.instance, "of_state": state.value})
            return int(found[0])

        return Unsent(count(CallbackState.PENDING), count(CallbackState.FAILED))

    def prune(self) -> bool:
        queue, now = self._instance.look()
        found = False
        for state in self._forgotten:
            old = {"this": queue.instance, "of_state": state.value, "forgotten": self._instance.settings.forgotten(now)}
            if self._database.glance(_OLD, old) is not None:
                self._turns.take(partial(_forget, old=old))
                found = True
        return found


def _claim(turn: Turn, lease: float) -> Callback | None:
    first = turn.connection.execute(_FIRST, {"this": turn.queue.instance}).first()
    if first is None or (callback := _callback(first)).at > turn.now:
        return None
    return _save(turn, callback.claimed(turn.now, lease))


def _end(turn: Turn, callback: Callback, delivery: Delivery) -> bool:
    found = turn.connection.execute(_ONE, {"this": turn.queue.instance, "of_id": callback.id}).first()
    if found is None or not (known := _callback(found)).is_latest(callback):
        return False
    _save(turn, known.after(delivery, turn.now))
    return True


def _forget(turn: Turn, old: dict[str, Any]) -> None:
    turn.connection.execute(_FORGET, old)


def _of(view: View, ingestion_id: str) -> list[Callback]:
    values = {"this": view.queue.instance, "of_ingestion": ingestion_id}
    return [_callback(row) for row in view.connection.execute(_OF, values).all()]


def _redrive(turn: Turn, ingestion_id: str, by: str | None) -> int:
    again = [one for one in _of(turn, ingestion_id) if one.state is not CallbackState.SENT]
    for callback in again:
        _save(turn, callback.redriven(turn.now))
    if again:
        note(turn, by, "redrive_callback", ingestion_id, *redriven(again))
    return len(again)


def _save(turn: Turn, callback: Callback) -> Callback:
    turn.connection.execute(_SAVE, {"this": turn.queue.instance, "of_id": callback.id, **_values(callback, _CHANGING)})
    return callback


def _callback(row: Any) -> Callback:
    found = Callback(*row)
    return found._replace(state=CallbackState(found.state))


def _values(callback: Callback, names: Sequence[str] = Callback._fields) -> dict[str, Any]:
    return {name: getattr(callback, name) for name in names} | {"state": callback.state.value}
