"""How batches are claimed: picked, marked, leased and logged in one turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, update

from ..core import NEW, RUNNING, WAITING, Claim, Gate, Status, Wait, room_of
from . import attempts, fair, minutes
from .journal import dispatches
from .picks import PROMOTE, Candidate, first_due
from .riders import riding
from .schema import NOT_IN_LINE, THIS, THIS_BATCH, all_of, batch_key, batches, some_of
from .serving import Serving
from .turns import Turn
from .wire import Values

_KEY = "instance", "order", "position", "rank"
_STARTED = "state", "line", "attempt", "started_at", "lease_until", "rides", "worker"
_FRESH = insert(batches).values(some_of(batches, _KEY + _STARTED))
_LOG = insert(dispatches).values(all_of(dispatches))
_START = update(batches).where(*THIS_BATCH).values({name: bindparam(name) for name in _STARTED})
_TRIM = delete(dispatches).where(dispatches.c.instance == THIS, dispatches.c.number <= bindparam("last"))
_TRIM_EVERY = 100


class Request(NamedTuple):
    """One call of `claim`."""

    limit: int
    was_full: bool


class _Chosen(NamedTuple):
    """A batch that starts, with when its token arrived and whether its caller had no free slot until now.

    `rode_with` is the id of the batch in whose call it rides.
    """

    candidate: Candidate
    token_at: float
    was_full: bool
    rode_with: str | None = None


def claim(turn: Turn, requests: Sequence[Request]) -> list[list[Claim] | Wait]:
    """Serve several claims in order, as if each were alone."""
    queue, now, gate = turn.queue, turn.now, turn.gate()
    if queue.lined:
        turn.connection.execute(PROMOTE, {"this": queue.instance, "now": now})
    claimed: list[Claim] = []
    was_full = [request.was_full for request in requests for _ in range(request.limit)]
    room, due = room_of(turn.settings, queue.running), first_due(turn)
    most = 0 if gate.wait(now, due=due, slots=len(was_full), room=room, waiting=queue) else min(len(was_full), room)
    serving = Serving(turn) if turn.settings.fresh is not None and due is not None and due <= now else None
    if serving and not most:
        _start_some(turn, gate, [], serving)  # serving takes no token
    # Batches that ride or are served leave the line, which may change whose turn it is: then one call at a time.
    step = 1 if turn.settings.fill or (serving and queue.fair) else max(1, most)
    for nth in range(0, most, step):
        some = _start_some(turn, gate, was_full[nth : nth + step], serving)
        claimed += some
        if len(some) < step:
            break
    queue.keep(gate)
    has_more = serving is not None and serving.has_more
    answers: list[list[Claim] | Wait] = []
    for limit, _ in requests:
        mine, claimed = claimed[:limit], claimed[limit:]
        answers.append(mine or _wait(turn, gate, limit, has_more=has_more) or [])
    return answers


def _wait(turn: Turn, gate: Gate, limit: int, *, has_more: bool) -> Wait | None:
    if has_more:
        return Wait(0.0, "answer")
    queue, room = turn.queue, room_of(turn.settings, turn.queue.running)
    return gate.wait(turn.now, due=first_due(turn), slots=limit, room=room, waiting=queue)


def _start_some(turn: Turn, gate: Gate, was_full: Sequence[bool], serving: Serving | None) -> list[Claim]:
    """Start as many of the most urgent due batches as there are slots and tokens; with FILL one, with what rides.

    `was_full` says of each slot whether its caller had none free until now.
    """
    chosen: list[_Chosen] = []
    most = len(was_full)
    candidates = serving.due(most) if serving else fair.in_order(turn, most)
    for candidate, full in zip(candidates, was_full, strict=False):
        token_at = gate.limiter.ready_at
        if not gate.limiter.take(turn.now):
            break
        chosen.append(_Chosen(candidate, token_at, full))
        if serving and not turn.settings.fill:
            serving.ask([candidate])
    claims = _started(turn, chosen, serving)
    if claims and turn.settings.fill:
        ((_, token_at, full, _),), (claim,) = chosen, claims
        riders: list[Claim] = []
        for some in riding(turn, claim.batch, serving):
            more = [_Chosen(one, token_at, full, claim.batch.id) for one in some]
            riders += _started(turn, more, serving)
            chosen += more
        claims = [claim._replace(riders=tuple(riders))] if riders else claims
        if serving:
            # Asked only now that the call is whole, for what its batches share is not in process elsewhere.
            serving.ask([one.candidate for one in chosen])
            serving.write()
    if chosen:
        _log(turn, gate, chosen)
    return claims


def _started(turn: Turn, chosen: Sequence[_Chosen], serving: Serving | None) -> list[Claim]:
    """Start batches and write them down, with what was served before and beside them."""
    if serving:
        for one in chosen:
            serving.start(one.candidate)
    claims = [_start(turn, one) for one in chosen]
    if chosen:
        _write_starts(turn, chosen)
        if turn.queue.fair:
            rides = chosen[0].rode_with is not None
            fair.started(turn, [one.candidate for one in chosen], rides=rides)
    if serving:
        serving.write()
    return claims


def _start(turn: Turn, chosen: _Chosen) -> Claim:
    candidate, queue = chosen.candidate, turn.queue
    row = candidate.row
    if candidate.fresh:
        row.cursor += 1
    else:
        queue.lined -= candidate.answers.starts
        row.retrying -= candidate.state == WAITING
    row.running += 1
    queue.running += chosen.rode_with is None
    row.started_at = turn.now if row.started_at is None else row.started_at
    answers = candidate.answers
    turn.wait(row, -answers.starts, -len(answers.left))
    batch = candidate.batch(candidate.attempt + 1, Status.TRIGGERED)._replace(started_at=turn.now)
    return Claim(answers.asking(batch), candidate.due, turn.now, row.owner)


def _write_starts(turn: Turn, chosen: Sequence[_Chosen]) -> None:
    fresh, again = [], []
    for candidate, _, _, rode_with in chosen:
        row, instance = candidate.row, turn.queue.instance
        values: Values = {
            "state": RUNNING,
            "line": NOT_IN_LINE,
            "attempt": candidate.attempt + 1,
            "started_at": turn.now,
            "lease_until": turn.now + turn.settings.lease,
            "rides": None if rode_with is None else True,
            "worker": turn.worker,
        }
        if candidate.fresh:
            key = {"instance": instance, "order": row.order, "position": candidate.position, "rank": row.rank}
            fresh.append(values | key)
        else:
            again.append(values | batch_key(instance, row.order, candidate.position))
    if fresh:
        turn.connection.each(_FRESH, fresh)
    if again:
        turn.connection.execute(_START, again)
    turn.save({one.candidate.row.order: one.candidate.row for one in chosen}.values())


def _log(turn: Turn, gate: Gate, chosen: Sequence[_Chosen]) -> None:
    queue, entries = turn.queue, []
    for candidate, token_at, was_full, rode_with in chosen:
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
                "owner": row.owner,
                "limited_by": gate.limited_by(fresh=fresh, due=candidate.due, token_at=token_at, was_full=was_full),
                "rode_with": rode_with,
            }
        )
    turn.connection.each(_LOG, entries)
    if turn.settings.attempts_kept:
        attempts.start(turn, entries, [one.candidate.fresh for one in chosen])
    calls = [one.candidate for one in chosen if one.rode_with is None]
    minutes.start(turn, gate, [(one.row.priority, turn.now - one.due) for one in calls])
    if queue.dispatched // _TRIM_EVERY != (queue.dispatched - len(entries)) // _TRIM_EVERY:
        last = queue.dispatched - turn.settings.dispatch_log
        turn.connection.execute(_TRIM, {"this": queue.instance, "last": last})
