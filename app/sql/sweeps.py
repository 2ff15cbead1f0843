"""The sweeps in the database: leased, so that one process works on each, and the next goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from ..core import Ingestion, Priority, Status, Sweep, SweepFilter, Sweeps, same_sweep
from ..errors import Refusal
from . import controls
from .audits import note
from .database import Database
from .instance import Instance
from .journal import sweeps
from .schema import THIS, all_of
from .turns import ROWS, Turn, Turns

_COLUMNS = [sweeps.c[name] for name in Sweep._fields]
_CHANGING = ("cursor", "acted", "lease_until", "finished_at")
_here = sweeps.c.instance == THIS
_ADD = insert(sweeps).values(all_of(sweeps))
_ONE = select(*_COLUMNS).where(_here, sweeps.c.id == bindparam("of_id"))
_BY_KEY = select(*_COLUMNS).where(_here, sweeps.c.key == bindparam("of_key"))
_FIRST = (
    select(*_COLUMNS).where(_here, sweeps.c.finished_at.is_(None)).order_by(sweeps.c.lease_until, sweeps.c.created_at)
)
_LATEST = select(*_COLUMNS).where(_here).order_by(sweeps.c.created_at.desc(), sweeps.c.id).limit(bindparam("most"))
_SAVE = (
    update(sweeps).where(_here, sweeps.c.id == bindparam("of_id")).values({name: bindparam(name) for name in _CHANGING})
)
_FORGET = delete(sweeps).where(_here, sweeps.c.finished_at <= bindparam("forgotten"))


class SQLSweeps(Sweeps):
    """Each change is a turn. Another process's sweep is noticed after STORE_POLL, where that is not 0."""

    def __init__(self, database: Database, instance: Instance, turns: Turns) -> None:
        self._database = database
        self._instance = instance
        self._turns = turns

    def add(self, sweep: Sweep) -> tuple[Sweep, bool]:
        return self._turns.take(lambda turn: _add(turn, sweep))

    def claim(self, lease: float) -> Sweep | float | None:
        queue, now = self._instance.look()
        first = self._database.glance(_FIRST, {"this": queue.instance})
        wait = None if first is None else _sweep(first).lease_until - now
        if wait is not None and wait <= 0:
            return self._turns.take(lambda turn: _claim(turn, lease)) or 0.0
        return self._instance.polled(wait)

    def act(
        self, sweep: Sweep, ids: Sequence[str], cursor: int, lease: float, *, last: bool
    ) -> tuple[Sweep, list[Ingestion]] | None:
        acted: list[Ingestion] = []
        while done := self._turns.take(partial(self._act, sweep=sweep, ids=ids, cursor=cursor, lease=lease, last=last)):
            sweep, some, ids = done
            acted += some
            if not ids:
                return sweep, acted
        return None

    def _act(
        self, turn: Turn, sweep: Sweep, ids: Sequence[str], cursor: int, lease: float, *, last: bool
    ) -> tuple[Sweep, list[Ingestion], Sequence[str]] | None:
        """Act on as many ingestions as a turn has room for, and record how far the sweep is.

        Returns the sweep, what it acted on, and the ids that are left; None where another holds the sweep by now.
        """
        known = _get(turn, sweep.id)
        if known is None or known.lease_until != sweep.lease_until:
            return None
        acted, room = list[Ingestion](), ROWS
        while ids and room > 0:
            if part := self._on(turn, known, ids[0]):
                acted.append(part.ingestion)
                room -= part.batches
            ids = ids[1:]
        # With a rest, the room ran out at the one that it acted on last.
        reached, is_last = (acted[-1].order, False) if ids else (cursor, last)
        return _save(turn, known.after(len(acted), reached, turn.now, lease, last=is_last)), acted, ids

    def _on(self, turn: Turn, sweep: Sweep, ingestion_id: str) -> controls.Part | None:
        """Redrive or cancel an ingestion; returns None where it is refused, which changes nothing."""
        try:
            row = self._instance.find_in(turn, ingestion_id)
            if sweep.verb == "redrive":
                return controls.redrive(turn, row, sweep.by, most=row.failed, audited=False)
            ingestion, new = controls.cancel(turn, row, sweep.by, audited=False)
        except Refusal:
            return None
        return controls.Part(ingestion) if new else None

    def release(self, sweep: Sweep) -> None:
        def release(turn: Turn) -> None:
            known = _get(turn, sweep.id)
            if known is not None and known.lease_until == sweep.lease_until:
                _save(turn, known._replace(lease_until=0.0))

        self._turns.take(release)

    def get(self, sweep_id: str) -> Sweep | None:
        queue, _ = self._instance.look()
        found = self._database.glance(_ONE, {"this": queue.instance, "of_id": sweep_id})
        return None if found is None else _sweep(found)

    def latest(self, limit: int) -> list[Sweep]:
        queue, _ = self._instance.look()
        values = {"this": queue.instance, "most": limit}
        return [_sweep(row) for row in self._database.read(lambda wire: wire.execute(_LATEST, values).all())]


def _add(turn: Turn, sweep: Sweep) -> tuple[Sweep, bool]:
    this = turn.queue.instance
    turn.connection.execute(_FORGET, {"this": this, "forgotten": turn.forgotten})
    key = None if sweep.key is None else json.dumps([sweep.by, sweep.key])
    if key is not None:
        known = turn.connection.execute(_BY_KEY, {"this": this, "of_key": key}).first()
        if known is not None:
            return same_sweep(_sweep(known), sweep), False
    added = sweep._replace(created_at=turn.now, cursor=turn.queue.orders + 1)
    where = sweep.where
    told = where._asdict() | {"priority": where.priority and where.priority.name}
    turn.connection.execute(_ADD, {"instance": this, **added._asdict(), "key": key, "where": json.dumps(told)})
    note(turn, *added.audit)
    return added, True


def _claim(turn: Turn, lease: float) -> Sweep | None:
    first = turn.connection.execute(_FIRST, {"this": turn.queue.instance}).first()
    if first is None or (sweep := _sweep(first)).lease_until > turn.now:
        return None
    return _save(turn, sweep._replace(lease_until=turn.now + lease))


def _get(turn: Turn, sweep_id: str) -> Sweep | None:
    found = turn.connection.execute(_ONE, {"this": turn.queue.instance, "of_id": sweep_id}).first()
    return None if found is None else _sweep(found)


def _save(turn: Turn, sweep: Sweep) -> Sweep:
    values = {name: getattr(sweep, name) for name in _CHANGING}
    turn.connection.execute(_SAVE, {"this": turn.queue.instance, "of_id": sweep.id, **values})
    return sweep


def _sweep(row: Any) -> Sweep:
    found = Sweep(*row)
    told = json.loads(str(found.where))
    status, priority = told["status"], told["priority"]
    where = SweepFilter(**told)._replace(
        status=status and Status(status), priority=Priority[priority] if priority else None
    )
    return found._replace(where=where, key=json.loads(found.key)[1] if found.key else None)
