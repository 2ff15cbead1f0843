"""How claims end: completed, to go again, failed, or lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update

from ..config import Settings
from ..core import COMPLETED, FAILED, LOST, RUNNING, WAITING, Batch, BatchError, Ingestion, Measured, statuses
from .ids import slice_of, unpack
from .picks import BATCH_COLUMNS, OF_IDS, SAME_INGESTION
from .rows import RECORD_COLUMNS, RECORD_NAMES, Record
from .schema import ASIDE, IS_RUNNING, NOT_IN_LINE, READY, THIS, THIS_BATCH, batches, ids, ingestions
from .turns import Turn
from .wire import Values

_END = (
    update(batches)
    .where(*THIS_BATCH)
    .values(
        {
            name: bindparam(name)
            for name in ("state", "line", "attempt", "due", "error_type", "error_message", "results")
        }
    )
)
_CLAIM = (
    select(*RECORD_COLUMNS, *BATCH_COLUMNS)
    .join_from(ingestions, batches, SAME_INGESTION)
    .where(
        ingestions.c.instance == THIS,
        ingestions.c.id == bindparam("id"),
        batches.c.position == bindparam("position"),
    )
)
EXPIRED = (
    select(
        *RECORD_COLUMNS,
        *BATCH_COLUMNS,
        slice_of(batches.c.position * ingestions.c.batch_size, ingestions.c.batch_size),
    )
    .join_from(batches, ingestions, SAME_INGESTION)
    .join(ids, OF_IDS)
    .where(batches.c.instance == THIS, IS_RUNNING, batches.c.lease_until <= bindparam("now"))
    .order_by(batches.c.lease_until)
    .limit(100)
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


class Outcome(NamedTuple):
    """How a claim ended: its batch is now in `state`, for `delay` seconds at least if it goes again.

    `attempt` is the number of attempts that this leaves; None for the claim's own.
    """

    state: int
    error: BatchError | None = None
    results: Sequence[str] = ()
    delay: float = 0.0
    attempt: int | None = None


def end(turn: Turn, claims: Sequence[tuple[Batch, Outcome]]) -> list[Ingestion | None]:
    """End claims, unless they are not the latest any more; the ingestion after each, or None."""
    this = turn.limiter.instance
    wanted = [{"this": this, "id": batch.ingestion_id, "position": batch.position} for batch, _ in claims]
    ends, ended = _Ends(turn), []
    for (batch, outcome), row in zip(claims, turn.connection.firsts(_CLAIM, wanted), strict=True):
        ended.append(ends.end(row, outcome) if row and ends.is_latest(row, batch) else None)
    ends.write()
    return ended


def recover(turn: Turn, settings: Settings) -> tuple[list[tuple[Batch, Ingestion]], bool]:
    """End the claims whose leases ran out; their batches with their ingestions, and whether there may be more."""
    rows = turn.connection.execute(EXPIRED, {"this": turn.limiter.instance, "now": turn.now}).all()
    ends, lost = _Ends(turn), []
    for *row, packed in rows:
        position, _, attempt, due, started_at, *_ = row[len(RECORD_NAMES) :]
        state = FAILED if attempt >= settings.max_attempts else WAITING
        after = ends.end(row, Outcome(state, LOST))
        due_at = after.created_at if due is None else due
        status = statuses(cancelled=bool(after.counts.cancelled))[state]
        told = after.id, position, unpack(packed).tolist(), status, after.priority
        lost.append((Batch(*told, attempt, LOST, due_at, started_at), after))
    ends.write()
    return lost, len(rows) == 100


class _Ends:
    """The claims that end together: each ingestion is changed once, and then all is written."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._records: dict[int, Record] = {}
        self._batches: dict[tuple[int, int], Values] = {}

    def is_latest(self, row: Any, batch: Batch) -> bool:
        """Whether a batch, as it was read, is in process by this claim, and not just ended."""
        position, was, attempt, _, claimed_at, *_ = row[len(RECORD_NAMES) :]
        ours = (was, attempt, claimed_at) == (RUNNING, batch.attempt, batch.claimed_at)
        return ours and (row[0], position) not in self._batches

    def end(self, row: Any, outcome: Outcome) -> Ingestion:
        turn, limiter, (state, error, results, delay, attempt) = self._turn, self._turn.limiter, outcome
        record = self._records.setdefault(row[0], Record(*row[: len(RECORD_NAMES)]))
        position, _, latest, due, started_at, *told = row[len(RECORD_NAMES) :]
        line = NOT_IN_LINE
        record.running -= 1
        limiter.running -= 1
        if state == COMPLETED:
            record.completed += 1
            told = [None, None]
        elif state == FAILED:
            record.failed += 1
            limiter.failed += 1
        elif not record.cancelled:
            due = turn.now + delay
            line = ASIDE if due > turn.now else READY
            record.retrying += 1
            limiter.lined += 1
            turn.wait(record, 1, record.ids_at(position))
        if error is not None:
            told = [clean(error.type), clean(error.message)]
        if attempt is None:
            measured = Measured(limiter.service)
            measured.took(turn.now - started_at)
            limiter.service = measured.service
        self._batches[record.order, position] = {
            "of_instance": limiter.instance,
            "of_order": record.order,
            "of_position": position,
            "state": state,
            "line": line,
            "attempt": latest if attempt is None else attempt,
            "due": due,
            "error_type": told[0],
            "error_message": told[1],
            "results": json.dumps(list(results)) if results else None,
        }
        settle(turn, record)
        return record.snapshot()

    def write(self) -> None:
        if self._batches:
            self._turn.connection.execute(_END, list(self._batches.values()))
            self._turn.save(self._records.values())


def settle(turn: Turn, record: Record) -> None:
    """Note the end of an ingestion of which nothing is left to do."""
    if not record.finished or record.finished_at is not None:
        return
    record.finished_at = turn.now
    if record.estimated_completion is not None and not record.cancelled:
        record.miss = abs(turn.now - record.estimated_completion)


def renew(turn: Turn, claims: Sequence[Batch], lease: float) -> None:
    """Extend the leases of those claims that are still good."""
    if not claims:
        return
    of_this = {"this": turn.limiter.instance, "until": turn.now + lease}
    turn.connection.execute(
        _RENEW,
        [
            of_this
            | {
                "id": batch.ingestion_id,
                "of_position": batch.position,
                "of_attempt": batch.attempt,
                "of_claimed_at": batch.claimed_at,
            }
            for batch in claims
        ],
    )


def clean(text: str) -> str:
    """Text that any database takes: no NUL, no lone surrogate."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
