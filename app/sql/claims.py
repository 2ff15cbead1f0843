"""How batches are claimed: picked, marked, leased and logged in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, update

from ..config import Settings
from ..core import NEW, RUNNING, WAITING, Batch, Status, limit_of
from ..store import Wait
from .picks import PROMOTE, Candidate, blocked, first_due, pick
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
    """What a caller of `claim` wants."""

    limit: int
    was_full: bool


class _Chosen(NamedTuple):
    """A batch that starts: since when its token was there, and whether its caller had no slot free until now."""

    candidate: Candidate
    token_at: float
    was_full: bool


def claim(turn: Turn, settings: Settings, requests: Sequence[Request]) -> list[list[Batch] | Wait]:
    """Serve several claims, the first one first, as if each had come by itself."""
    state, now, bucket = turn.limiter, turn.now, turn.limiter.bucket(settings)
    if state.lined:
        turn.connection.execute(PROMOTE, {"this": state.instance, "now": now})
    chosen: list[_Chosen] = []
    slots = [request.was_full for request in requests for _ in range(request.limit)]
    if not blocked(state, bucket, now, len(slots), first_due(turn)):
        for candidate, was_full in zip(pick(turn, len(slots), promoted=True), slots, strict=False):
            token_at = bucket.ready_at
            if not bucket.take(now):
                break
            chosen.append(_Chosen(candidate, token_at, was_full))
    state.full_at = bucket.full_at
    claimed = [_start(turn, one.candidate) for one in chosen]
    if chosen:
        _write_starts(turn, settings, [one.candidate for one in chosen])
        _log(turn, settings, chosen)
    answers: list[list[Batch] | Wait] = []
    for limit, _ in requests:
        mine, claimed = claimed[:limit], claimed[limit:]
        answers.append(mine or blocked(state, bucket, now, limit, first_due(turn)) or [])
    return answers


def _start(turn: Turn, candidate: Candidate) -> Batch:
    record, state = candidate.record, turn.limiter
    if candidate.fresh:
        record.cursor += 1
        record.open = int(record.cursor < record.batch_count)
    else:
        state.lined -= 1
        record.retrying -= candidate.state == WAITING
    record.running += 1
    state.running += 1
    record.started_at = turn.now if record.started_at is None else record.started_at
    turn.wait(record, -1, -len(candidate.ids))
    return candidate.batch(candidate.attempt + 1, Status.TRIGGERED)._replace(due_at=candidate.due, claimed_at=turn.now)


def _write_starts(turn: Turn, settings: Settings, started: Sequence[Candidate]) -> None:
    fresh, again = [], []
    for candidate in started:
        record, instance = candidate.record, turn.limiter.instance
        values = {
            "state": RUNNING,
            "line": NOT_IN_LINE,
            "attempt": candidate.attempt + 1,
            "started_at": turn.now,
            "lease_until": turn.now + settings.lease,
        }
        if candidate.fresh:
            key = {"instance": instance, "order": record.order, "position": candidate.position, "rank": record.rank}
            fresh.append(values | key)
        else:
            key = {"of_instance": instance, "of_order": record.order, "of_position": candidate.position}
            again.append(values | key)
    if fresh:
        turn.connection.execute(_FRESH, fresh)
    if again:
        turn.connection.execute(_START, again)
    turn.save({candidate.record.order: candidate.record for candidate in started}.values())


def _log(turn: Turn, settings: Settings, chosen: Sequence[_Chosen]) -> None:
    state, rows = turn.limiter, []
    for candidate, token_at, was_full in chosen:
        state.dispatched += 1
        record = candidate.record
        limited_by = limit_of(
            fresh=candidate.state == NEW,
            due=candidate.due,
            resumed_at=state.resumed_at,
            hold_until=state.hold_until,
            token_at=token_at,
            was_full=was_full,
        )
        rows.append(
            {
                "instance": state.instance,
                "number": state.dispatched,
                "started_at": turn.now,
                "due_at": candidate.due,
                "ingestion_id": record.id,
                "position": candidate.position,
                "attempt": candidate.attempt + 1,
                "priority": record.priority,
                "rank": record.rank,
                "order": record.order,
                "limited_by": limited_by,
            }
        )
    turn.connection.execute(_LOG, rows)
    if state.dispatched // _TRIM_EVERY != (state.dispatched - len(rows)) // _TRIM_EVERY:
        last = state.dispatched - settings.dispatch_log
        turn.connection.execute(_TRIM, {"this": state.instance, "last": last})
