"""How claims end: completed, to be retried, failed, or lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from ..config import Settings
from ..core import (
    COMPLETED,
    FAILED,
    RUNNING,
    WAITING,
    Batch,
    BatchError,
    Claim,
    Ingestion,
    Measured,
    statuses,
)
from ..store import Ended, Outcome
from . import attempts, callbacks, minutes
from .answers import answers_of, packed
from .ids import slice_of
from .picks import BATCH_COLUMNS, OF_IDS, SAME_INGESTION, ids_of
from .rows import INGESTION_COLUMNS, INGESTION_NAMES, IngestionRow
from .schema import ASIDE, IS_RUNNING, NOT_IN_LINE, PARKED, READY, THIS, THIS_BATCH, batches, ids, ingestions
from .turns import Turn
from .wire import Values

_MOST = 100
"""Lost claims ended in one turn at most."""

_CHANGED = (
    "state",
    "line",
    "attempt",
    "finished_at",
    "due",
    "error_type",
    "error_message",
    "results",
    "left",
    "alone",
)
_END = update(batches).where(*THIS_BATCH).values({name: bindparam(name) for name in _CHANGED})
_CLAIM = (
    select(*INGESTION_COLUMNS, *BATCH_COLUMNS)
    .join_from(ingestions, batches, SAME_INGESTION)
    .where(
        ingestions.c.instance == THIS,
        ingestions.c.id == bindparam("id"),
        batches.c.position == bindparam("position"),
    )
)
EXPIRED = (
    select(
        *INGESTION_COLUMNS,
        *BATCH_COLUMNS,
        slice_of(batches.c.position * ingestions.c.batch_size, ingestions.c.batch_size),
    )
    .join_from(batches, ingestions, SAME_INGESTION)
    .outerjoin(ids, OF_IDS)
    .where(batches.c.instance == THIS, IS_RUNNING, batches.c.lease_until <= bindparam("now"))
    .order_by(batches.c.lease_until)
    .limit(_MOST)
)
_RESULTS = select(batches.c.results).where(*THIS_BATCH)
_LAST_ENDED = (
    select(batches.c.position)
    .where(batches.c.instance == THIS, batches.c.order == bindparam("of_order"), batches.c.finished_at.is_not(None))
    .order_by(batches.c.finished_at.desc(), batches.c.position.desc())
    .limit(1)
)
_order = (
    select(ingestions.c.order)
    .where(ingestions.c.instance == THIS, ingestions.c.id == bindparam("id"))
    .scalar_subquery()
)
_RENEW = (
    update(batches)
    .where(
        batches.c.instance == THIS,
        batches.c.order == _order,
        batches.c.position == bindparam("of_position"),
        batches.c.attempt == bindparam("of_attempt"),
        batches.c.started_at == bindparam("of_claimed_at"),
        IS_RUNNING,
    )
    .values(lease_until=bindparam("until"))
)


def end(turn: Turn, settings: Settings, ended: Sequence[tuple[Claim, Outcome]]) -> list[Ended | None]:
    """End claims; returns what each led to, None for a claim that is no longer the latest of its batch."""
    this = turn.queue.instance
    wanted = [{"this": this, "id": one.batch.ingestion_id, "position": one.batch.position} for one, _ in ended]
    after: list[Ended | None] = []
    ends = _Ends(turn, settings)
    for (claim, outcome), columns in zip(ended, turn.connection.firsts(_CLAIM, wanted), strict=True):
        if columns and ends.is_latest(columns, claim):
            after.append(ends.end(columns, outcome))
        else:
            after.append(_ended_before(turn, columns, claim, outcome) if columns else None)
    ends.write()
    return after


def _ended_before(turn: Turn, columns: Any, claim: Claim, outcome: Outcome) -> Ended | None:
    """Returns what the claim led to if it has this outcome already: it is reported again, as its answer was lost.

    Only one of the outcomes by which an ingestion ended returns it as finished, as without the loss.
    """
    row = IngestionRow(*columns[: len(INGESTION_NAMES)])
    position, state, attempt, _, claimed_at, _, _, *told = columns[len(INGESTION_NAMES) :]
    wanted = _told(outcome.error) if outcome.error else told
    counted = claim.batch.attempt if outcome.counted else claim.batch.attempt - 1
    same = state == outcome.state and attempt == counted and claimed_at == claim.claimed_at
    went_again = outcome.state == WAITING and state == RUNNING and attempt == counted + 1
    if told != wanted or not (same or went_again):
        return None
    values = {"of_instance": turn.queue.instance, "of_order": row.order, "of_position": position}
    if turn.connection.execute(_RESULTS, values).scalar() != packed(outcome.results):
        return None
    last = turn.connection.execute(_LAST_ENDED, {"this": turn.queue.instance, "of_order": row.order}).scalar()
    after = row.snapshot() if last == position else row.snapshot()._replace(finished_at=None)
    return Ended(after, outcome.state, BatchError(*told) if told[0] else None)


def recover(turn: Turn, settings: Settings) -> tuple[list[tuple[Claim, Ingestion]], bool]:
    """End the claims whose leases ran out; returns them with their ingestions, and whether there may be more."""
    rows = turn.connection.execute(EXPIRED, {"this": turn.queue.instance, "now": turn.now}).all()
    ends, lost = _Ends(turn, settings), []
    for *columns, part in rows:
        position, _, attempt, due, started_at, *_ = columns[len(INGESTION_NAMES) :]
        outcome = Outcome.lost(attempt, settings.max_attempts)
        after, state, _ = ends.end(columns, outcome)
        status = statuses(cancelled=bool(after.counts.cancelled))[state]
        ids = ids_of(turn, IngestionRow(*columns[: len(INGESTION_NAMES)]), position, 1, part)
        batch = Batch(after.id, position, ids, status, after.priority, attempt, outcome.error, started_at)
        lost.append((Claim(batch, after.created_at if due is None else due, started_at), after))
    ends.write()
    return lost, len(rows) == _MOST


class _Ends:
    """Claims that end together: each ingestion is updated once, then everything is written."""

    def __init__(self, turn: Turn, settings: Settings) -> None:
        self._turn = turn
        self._settings = settings
        self._rows: dict[int, IngestionRow] = {}
        self._batches: dict[tuple[int, int], Values] = {}
        self._attempts: list[Values] = []

    def is_latest(self, columns: Any, claim: Claim) -> bool:
        """Returns whether a batch, as read, still runs under this claim and did not end earlier in this turn."""
        position, state, attempt, _, claimed_at, *_ = columns[len(INGESTION_NAMES) :]
        runs = state == RUNNING and (columns[0], position) not in self._batches
        return runs and claim.is_latest(attempt, claimed_at)

    def end(self, columns: Any, outcome: Outcome) -> Ended:
        turn, queue, (state, error, results, delay, counted) = self._turn, self._turn.queue, outcome
        row = self._rows.setdefault(columns[0], IngestionRow(*columns[: len(INGESTION_NAMES)]))
        position, _, attempt, due, started_at, alone, known, *told = columns[len(INGESTION_NAMES) :]
        answers = answers_of(row.ids_at(position), known, alone)
        state, error, answers = answers.after(state, error, results, split=self._settings.split_failed)
        line = NOT_IN_LINE
        row.running -= 1
        queue.running -= 1
        if state == COMPLETED:
            row.completed += 1
            told = [None, None]
        elif state == FAILED:
            row.failed += 1
            queue.failed += 1
            minutes.fail(turn)
        elif not row.cancelled:
            due = turn.now + delay
            row.retrying += 1
            if row.parked:
                line = PARKED
            else:
                line = ASIDE if due > turn.now else READY
                queue.lined += answers.starts
            turn.wait(row, answers.starts, len(answers.left))
        if error is not None:
            told = _told(error)
        if state == WAITING != outcome.state:
            attempt = 0
        if counted:
            measured = Measured(queue.service)
            measured.took(turn.now - started_at)
            queue.service = measured.service
        self._batches[row.order, position] = {
            "of_instance": queue.instance,
            "of_order": row.order,
            "of_position": position,
            "state": state,
            "line": line,
            "attempt": attempt if counted else attempt - 1,
            "finished_at": None if state == WAITING else turn.now,
            "due": due,
            "error_type": told[0],
            "error_message": told[1],
            "results": packed(answers.known),
            "left": len(answers.left) if state != COMPLETED and answers.known else None,
            "alone": answers.alone,
        }
        if self._settings.attempts_kept:
            self._attempts.append(attempts.ended(self._batches[row.order, position], state, error, counted=counted))
        settle(turn, row)
        return Ended(row.snapshot(), state, error)

    def write(self) -> None:
        if self._batches:
            self._turn.connection.execute(_END, list(self._batches.values()))
            if self._attempts:
                attempts.end(self._turn, self._attempts)
            self._turn.save(self._rows.values())


def settle(turn: Turn, row: IngestionRow) -> None:
    """Record the end of an ingestion that has nothing left to do."""
    if not row.finished or row.finished_at is not None:
        return
    row.finished_at = turn.now
    if row.estimated_completion is not None and not row.cancelled:
        row.miss = abs(turn.now - row.estimated_completion)
        minutes.miss(turn, row.miss)
    callbacks.add(turn, row)


def renew(turn: Turn, claims: Sequence[Claim], lease: float) -> None:
    """Extend the leases of those claims that are still valid."""
    if not claims:
        return
    of_this = {"this": turn.queue.instance, "until": turn.now + lease}
    turn.connection.execute(
        _RENEW,
        [
            of_this
            | {
                "id": batch.ingestion_id,
                "of_position": batch.position,
                "of_attempt": batch.attempt,
                "of_claimed_at": claimed_at,
            }
            for batch, _, claimed_at in claims
        ],
    )


def _told(error: BatchError) -> list[str]:
    return [clean(error.type), clean(error.message)]


def clean(text: str) -> str:
    """Returns the text in a form that every database accepts: without NUL and lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
