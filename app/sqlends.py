"""How claims end: completed, to go again, failed, or lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from .batches import COMPLETED, FAILED, RUNNING, WAITING
from .config import Settings
from .measure import Measured
from .models import Batch, BatchError, Ingestion
from .sqlpicks import BATCH_COLUMNS, SAME_INGESTION
from .sqlrows import RECORD_COLUMNS, RECORD_NAMES, Record
from .sqlschema import ASIDE, IS_RUNNING, NOT_IN_LINE, READY, THIS, THIS_BATCH, batches, ingestions
from .sqlturns import Turn

LOST = BatchError("LeaseExpired", "the worker did not report back in time")

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
    select(*RECORD_COLUMNS, *BATCH_COLUMNS)
    .join_from(batches, ingestions, SAME_INGESTION)
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


def end(
    turn: Turn,
    batch: Batch,
    state: int,
    error: BatchError | None,
    *,
    results: Sequence[str] = (),
    delay: float = 0.0,
    attempt: int | None = None,
) -> Ingestion | None:
    """End a claim, unless it is not the latest any more."""
    values = {"this": turn.limiter.instance, "id": batch.ingestion_id, "position": batch.position}
    row = turn.connection.execute(_CLAIM, values).first()
    if row is None:
        return None
    _, was, attempt_now, _, claimed_at, *_ = row[len(RECORD_NAMES) :]
    if (was, attempt_now, claimed_at) != (RUNNING, batch.attempt, batch.claimed_at):
        return None
    return _end(turn, row, state, error, results=results, delay=delay, attempt=attempt)


def recover(turn: Turn, settings: Settings) -> tuple[list[Ingestion], bool]:
    """End the claims whose leases ran out; what that finished, and whether there may be more."""
    rows = turn.connection.execute(EXPIRED, {"this": turn.limiter.instance, "now": turn.now}).all()
    changed: dict[str, Ingestion] = {}
    for row in rows:
        # Another batch of the same ingestion may have been ended just before.
        ingestion_id = row[RECORD_NAMES.index("id")]
        position, _, attempt = row[len(RECORD_NAMES) : len(RECORD_NAMES) + 3]
        values = {"this": turn.limiter.instance, "id": ingestion_id, "position": position}
        again = turn.connection.execute(_CLAIM, values).one()
        state = FAILED if attempt >= settings.max_attempts else WAITING
        changed[ingestion_id] = _end(turn, again, state, LOST)
    return [one for one in changed.values() if one.status.final], len(rows) == 100


def _end(
    turn: Turn,
    row: Any,
    state: int,
    error: BatchError | None,
    *,
    results: Sequence[str] = (),
    delay: float = 0.0,
    attempt: int | None = None,
) -> Ingestion:
    record = Record(*row[: len(RECORD_NAMES)])
    position, _, latest, due, started_at, *told = row[len(RECORD_NAMES) :]
    limiter, line = turn.limiter, NOT_IN_LINE
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
    turn.connection.execute(
        _END,
        {
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
        },
    )
    settle(turn, record)
    turn.save(record)
    return record.snapshot()


def settle(turn: Turn, record: Record) -> None:
    """Note the end of an ingestion of which nothing is left to do."""
    if not record.finished or record.finished_at is not None:
        return
    record.finished_at = turn.now
    if record.estimated_completion is not None and not record.cancelled:
        record.miss = abs(turn.now - record.estimated_completion)


def renew(turn: Turn, claims: Sequence[Batch], lease: float) -> None:
    """Extend the leases of those claims that are still good."""
    for batch in claims:
        turn.connection.execute(
            _RENEW,
            {
                "this": turn.limiter.instance,
                "id": batch.ingestion_id,
                "of_position": batch.position,
                "of_attempt": batch.attempt,
                "of_claimed_at": batch.claimed_at,
                "until": turn.now + lease,
            },
        )


def clean(text: str) -> str:
    """Text that any database takes: no NUL, no lone surrogate."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
