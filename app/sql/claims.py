"""How batches are claimed: picked, marked, leased and logged in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, update

from ..config import Settings
from ..core import NEW, RUNNING, WAITING, Claim, Gate, Status, Wait, room_of
from . import attempts, minutes
from .picks import PROMOTE, Candidate, first_due, pick
from .schema import NOT_IN_LINE, THIS, THIS_BATCH, all_of, batches, dispatches
from .turns import Turn

_FRESH = insert(batches).values(
    {
        name: bindparam(name)
        for name in ("instance", "order", "position", "rank", "state", "line", "attempt", "started_at", "lease_until")
    }
)
_LOG = insert(dispatches).values(all_of(dispatches))
_START = (
    update(batches)
    .where(*THIS_BATCH)
    .values({name: bindparam(name) for name in ("state", "line", "attempt", "started_at", "lease_until")})
)
_TRIM = delete(dispatches).where(dispatches.c.instance == THIS, dispatches.c.number <= bindparam("last"))
_TRIM_EVERY = 100


class Request(NamedTuple):
    """One call of `claim`."""

    limit: int
    was_full: bool


class _Chosen(NamedTuple):
    """A batch that starts, with when its token arrived and whether its caller had no free slot until now."""

    candidate: Candidate
    token_at: float
    was_full: bool


def claim(turn: Turn, settings: Settings, requests: Sequence[Request]) -> list[list[Claim] | Wait]:
    """Serve several claims in order, as if each were alone."""
    queue, now, gate = turn.queue, turn.now, turn.queue.gate(settings, turn.now)
    if queue.lined:
        turn.connection.execute(PROMOTE, {"this": queue.instance, "now": now})
    chosen: list[_Chosen] = []
    slots = [request.was_full for request in requests for _ in range(request.limit)]
    room = room_of(settings, queue.running)
    if not gate.wait(now, due=first_due(turn), slots=len(slots), room=room, parked=queue.parked):
        for candidate, was_full in zip(pick(turn, min(len(slots), room), promoted=True), slots, strict=False):
            token_at = gate.limiter.ready_at
            if not gate.limiter.take(now):
                break
            chosen.append(_Chosen(candidate, token_at, was_full))
    queue.keep(gate)
    claimed = [_start(turn, one.candidate) for one in chosen]
    if chosen:
        _write_starts(turn, settings, [one.candidate for one in chosen])
        _log(turn, settings, gate, chosen)
    answers: list[list[Claim] | Wait] = []
    for limit, _ in requests:
        mine, claimed = claimed[:limit], claimed[limit:]
        left = {"room": room_of(settings, queue.running), "parked": queue.parked}
        answers.append(mine or gate.wait(now, due=first_due(turn), slots=limit, **left) or [])
    return answers


def _start(turn: Turn, candidate: Candidate) -> Claim:
    row, queue = candidate.row, turn.queue
    if candidate.fresh:
        row.cursor += 1
        row.open = int(row.cursor < row.batch_count)
    else:
        queue.lined -= candidate.answers.starts
        row.retrying -= candidate.state == WAITING
    row.running += 1
    queue.running += 1
    row.started_at = turn.now if row.started_at is None else row.started_at
    answers = candidate.answers
    turn.wait(row, -answers.starts, -len(answers.left))
    batch = candidate.batch(candidate.attempt + 1, Status.TRIGGERED)._replace(started_at=turn.now)
    return Claim(answers.asking(batch), candidate.due, turn.now)


def _write_starts(turn: Turn, settings: Settings, started: Sequence[Candidate]) -> None:
    fresh, again = [], []
    for candidate in started:
        row, instance = candidate.row, turn.queue.instance
        values = {
            "state": RUNNING,
            "line": NOT_IN_LINE,
            "attempt": candidate.attempt + 1,
            "started_at": turn.now,
            "lease_until": turn.now + settings.lease,
        }
        if candidate.fresh:
            key = {"instance": instance, "order": row.order, "position": candidate.position, "rank": row.rank}
            fresh.append(values | key)
        else:
            key = {"of_instance": instance, "of_order": row.order, "of_position": candidate.position}
            again.append(values | key)
    if fresh:
        turn.connection.execute(_FRESH, fresh)
    if again:
        turn.connection.execute(_START, again)
    turn.save({candidate.row.order: candidate.row for candidate in started}.values())


def _log(turn: Turn, settings: Settings, gate: Gate, chosen: Sequence[_Chosen]) -> None:
    queue, entries = turn.queue, []
    for candidate, token_at, was_full in chosen:
        queue.dispatched += 1
        row, fresh = candidate.row, candidate.state == NEW
        entries.append(
            {
                "instance": queue.instance,
                "number": queue.dispatched,
                "started_at": turn.now,
                "due_at": candidate.due,
                "ingestion_id": row.id,
                "position": candidate.position,
                "attempt": candidate.attempt + 1,
                "priority": row.priority,
                "rank": row.rank,
                "order": row.order,
                "limited_by": gate.limited_by(fresh=fresh, due=candidate.due, token_at=token_at, was_full=was_full),
            }
        )
    turn.connection.execute(_LOG, entries)
    if settings.attempts_kept:
        attempts.start(turn, settings, entries, [one.candidate.fresh for one in chosen])
    minutes.start(turn, gate, settings, [(one.row.priority, turn.now - one.due) for one, *_ in chosen])
    if queue.dispatched // _TRIM_EVERY != (queue.dispatched - len(entries)) // _TRIM_EVERY:
        last = queue.dispatched - settings.dispatch_log
        turn.connection.execute(_TRIM, {"this": queue.instance, "last": last})
