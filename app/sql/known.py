"""What is known of each id: its answer, the batch that asks it, and who awaits that batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, exists, func, select, tuple_, update
from sqlalchemy.orm import aliased

from ..config import Settings
from ..core import RUNNING, Answer, Asker, Id, Known, Mark, forgotten_by
from .contents import answers
from .database import Database
from .rows import QueueRow
from .schema import BY_AWAITED, IS_AWAITING, READY, THIS, batches
from .turns import ROWS, Turn
from .upsert import upsert
from .wire import Values

_here = answers.c.instance == THIS
_this_id = (_here, answers.c.scope == bindparam("of_scope"), answers.c.id == bindparam("of_id"))
_key = (answers.c.instance, answers.c.scope, answers.c.id)
_asked_by = (
    (batches.c.instance == answers.c.instance)
    & (batches.c.order == answers.c.asker_order)
    & (batches.c.position == answers.c.asker_position)
    & (batches.c.state == RUNNING)
)
_found = (
    select(answers.c.id, answers.c.answer, answers.c.at, answers.c.accepted, batches.c.order, batches.c.position)
    .outerjoin_from(answers, batches, _asked_by)
    .where(_here, answers.c.scope == bindparam("of_scope"))
)
_listed = func.json_each(bindparam("ids", type_=Text)).table_valued("value")
_LOOK = {
    True: _found.where(answers.c.id.in_(select(_listed.c.value))),
    False: _found.where(answers.c.id == any_(bindparam("ids", type_=ARRAY(Text)))),
}


_ASKER, _ANSWER = ("asker_order", "asker_position"), ("answer", "at", "accepted", "used_at")
_ASK = upsert(answers, lambda new: {name: new[name] for name in _ASKER})
_NOTHING: Values = dict.fromkeys(column.name for column in answers.c)
_TELL = upsert(answers, lambda new: {name: new[name] for name in _ANSWER + _ASKER})
_LEAVE = (
    update(answers)
    .where(*_this_id, answers.c.asker_order == bindparam("order"), answers.c.asker_position == bindparam("position"))
    .values(asker_order=None, asker_position=None)
)
_USE = update(answers).where(*_this_id).values(used_at=bindparam("now"))
_WAKE = (
    update(batches)
    .where(
        batches.c.instance == THIS,
        IS_AWAITING,
        batches.c.awaits_order == bindparam("order"),
        # The same as equality, with which SQLite would not take the index.
        batches.c.awaits_position.between(bindparam("position"), bindparam("position")),
    )
    .values(line=READY, due=bindparam("now"))
)

_awaited = aliased(batches)
_left_behind = (
    batches.c.instance == THIS,
    *BY_AWAITED,
    ~exists().where(
        _awaited.c.instance == batches.c.instance,
        _awaited.c.order == batches.c.awaits_order,
        _awaited.c.position == batches.c.awaits_position,
        _awaited.c.state == RUNNING,
    ),
)
_LEFT_BEHIND = select(batches.c.order).where(*_left_behind).limit(1)
_WAKE_ALL = update(batches).where(*_left_behind).values(line=READY, due=bindparam("now"))

_last_use = (answers.c.used_at, answers.c.scope, answers.c.id)
_idle = answers.c.asker_order.is_(None) | ~exists().where(_asked_by)
_latest_first = select(*_last_use).where(_here, _idle).order_by(*[column.desc() for column in _last_use]).limit(1)
_LATEST_UNUSED = _latest_first.where(answers.c.used_at <= bindparam("before"))
_LATEST_EXCESS = _latest_first.offset(bindparam("most"))
_FORGOTTEN = (
    select(*_key)
    .where(
        _here,
        _idle,
        answers.c.used_at <= bindparam("used_at"),
        tuple_(*_last_use) <= tuple_(*[bindparam(column.name, type_=column.type) for column in _last_use]),
    )
    .order_by(answers.c.used_at)
    .limit(ROWS)
)
_FORGET = delete(answers).where(tuple_(*_key).in_(_FORGOTTEN))


class CallEnd(NamedTuple):
    """The end of a call for some ids of a scope, with its answers, if there are any."""

    scope: str
    asker: Asker
    ids: Sequence[Id]
    answers: Sequence[Answer]


def look(turn: Turn, scope: str, wanted: Iterable[Id]) -> Mapping[Id, Known]:
    """Returns what is known of some ids."""
    by_key = {_text(one): one for one in wanted}
    keys: Any = json.dumps(list(by_key)) if turn.connection.is_sqlite else list(by_key)
    values = {"this": turn.queue.instance, "of_scope": scope, "ids": keys}
    found = {}
    rows = turn.connection.execute(_LOOK[turn.connection.is_sqlite], values).all()
    for key, answer, at, accepted, order, position in rows:
        known = Known() if answer is None else Known(answer, Mark(at, accepted))
        found[by_key[key]] = known if order is None else known._replace(asker=(order, position))
    return found


def use(turn: Turn, used: Iterable[tuple[str, Id]]) -> None:
    """Note that the answers to some ids, each with its scope, are used now."""
    if rows := [_of(turn, scope, one) | {"now": turn.now} for scope, one in used]:
        turn.connection.execute(_USE, rows)


def ask(turn: Turn, asked: Mapping[tuple[str, Id], Asker]) -> None:
    """Note which batch asks each of some ids from now on."""
    if rows := [_row(turn, *key) | _asks(asker) for key, asker in asked.items()]:
        turn.connection.execute(_ASK[turn.connection.is_sqlite], rows)


def ended(turn: Turn, calls: Sequence[CallEnd]) -> None:
    """Note the ends of some calls; whoever awaits one is in line again, and due from now on."""
    told, left = [], []
    # A clock that was set back must not place an answer before the submissions that waited for it.
    at = max(turn.now, turn.queue.latest)
    for call in calls:
        order, position = call.asker
        for nth, one in enumerate(call.ids):
            if nth < len(call.answers) and isinstance(answer := call.answers[nth], str):
                mark = {"answer": answer, "at": at, "accepted": turn.queue.orders}
                told.append(_row(turn, call.scope, one) | mark)
            else:
                left.append(_of(turn, call.scope, one) | {"order": order, "position": position})
    if told:
        turn.connection.execute(_TELL[turn.connection.is_sqlite], told)
    if left:
        turn.connection.execute(_LEAVE, left)
    if turn.queue.lined:  # else nobody awaits anything
        this = {"this": turn.queue.instance, "now": turn.now}
        turn.connection.execute(_WAKE, [this | {"order": call.asker[0], "position": call.asker[1]} for call in calls])


def is_any_left_behind(database: Database, queue: QueueRow) -> bool:
    """Returns whether a batch awaits one that no longer runs, because a process without FRESH ended it."""
    return database.glance(_LEFT_BEHIND, {"this": queue.instance}) is not None


def wake_left_behind(turn: Turn) -> None:
    """Put such batches back in line."""
    turn.connection.execute(_WAKE_ALL, {"this": turn.queue.instance, "now": turn.now})


def old(database: Database, settings: Settings, queue: QueueRow, now: float) -> Values | None:
    """Returns the most recently used of the answers to be forgotten: those long unused, and those beyond FRESH_MAX.

    None if there are none. Which these are is found outside of a turn, since all answers are counted for it.
    """
    of_this = {"this": queue.instance}
    unused = database.glance(_LATEST_UNUSED, of_this | {"before": forgotten_by(settings, now)})
    excess = database.glance(_LATEST_EXCESS, of_this | {"most": settings.fresh_max})
    found = max((row for row in (unused, excess) if row), key=lambda row: row[0], default=None)
    return found and of_this | dict(zip((column.name for column in _last_use), found, strict=True))


def are_left(database: Database, last: Values) -> bool:
    """Returns whether there are answers that were used no later than `last`."""
    return database.glance(_FORGOTTEN, last) is not None


def prune(turn: Turn, last: Values) -> None:
    """Delete some of the answers that were used no later than `last`."""
    turn.connection.execute(_FORGET, last)


def _text(one: Id) -> str:
    """Returns an id as stored: one that is a string is told from an integer of the same digits."""
    return f"'{one}" if isinstance(one, str) else str(one)


def _of(turn: Turn, scope: str, one: Id) -> Values:
    return {"this": turn.queue.instance, "of_scope": scope, "of_id": _text(one)}


def _row(turn: Turn, scope: str, one: Id) -> Values:
    return _NOTHING | {"instance": turn.queue.instance, "scope": scope, "id": _text(one), "used_at": turn.now}


def _asks(asker: Asker) -> Values:
    return dict(zip(_ASKER, asker, strict=True))
