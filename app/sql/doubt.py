"""An outcome that is reported again, because the answer to its COMMIT was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select

from ..core import RUNNING, WAITING, Answer, Answers, Claim
from ..outcomes import Ended, Outcome
from .answers import error_columns, packed, unpacked
from .rows import INGESTION_NAMES, IngestionRow
from .schema import THIS, THIS_BATCH, batch_key, batches
from .turns import Turn

_RESULTS = select(batches.c.results).where(*THIS_BATCH)
_LAST_ENDED = (
    select(batches.c.position)
    .where(batches.c.instance == THIS, batches.c.order == bindparam("of_order"), batches.c.finished_at.is_not(None))
    .order_by(batches.c.finished_at.desc(), batches.c.position.desc())
    .limit(1)
)


def ended_before(turn: Turn, columns: Any, claim: Claim, outcome: Outcome) -> Ended | None:
    """Returns what the claim led to if its batch, as read, has this outcome already; else None.

    Only one of the outcomes by which an ingestion ended returns it as finished, as without the loss.
    """
    row = IngestionRow(*columns[: len(INGESTION_NAMES)])
    _, position, state, attempt, due, claimed_at, alone, _, *was = columns[len(INGESTION_NAMES) :]
    stored = turn.connection.execute(_RESULTS, batch_key(turn.queue.instance, row.order, position)).scalar()
    before = _before(claim, row.size_of(position), unpacked(stored))
    if before is None:
        return None
    led_to, error, answers = before.after(
        outcome.state, outcome.error, outcome.results, split=turn.settings.split_failed
    )
    counted = 0 if led_to == WAITING != outcome.state else claim.batch.attempt - (not outcome.counted)
    same = state == led_to and attempt == counted and claimed_at == claim.claimed_at
    if same and led_to != WAITING and due not in (None, claim.due_at):
        return None  # its lease ran out, and it was served since
    went_again = led_to == WAITING and state == RUNNING and attempt == counted + 1
    known = (error_columns(error) if error else was, packed(answers.known), answers.alone)
    if not (same or went_again) or known != (was, stored, bool(alone)):
        return None
    last = turn.connection.execute(_LAST_ENDED, {"this": turn.queue.instance, "of_order": row.order}).scalar()
    after = row.snapshot() if last == position else row.snapshot()._replace(finished_at=None)
    return Ended(after, led_to, error)


def _before(claim: Claim, size: int, kept: Sequence[Answer]) -> Answers | None:
    """Returns the answers that a batch had when it was claimed, given those it has now; None if it cannot be."""
    asked = claim.batch.asked
    known = [None if nth in asked else one for nth, one in enumerate(kept)] if asked else []
    before = Answers(size, tuple(known), claim.batch.alone)
    return before if tuple(before.asked) == (asked or tuple(range(size))) else None
