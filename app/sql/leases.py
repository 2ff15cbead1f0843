"""Claims that are extended by a heartbeat, and lost without one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from ..core import Batch, Claim, Ingestion, Priority, statuses
from ..outcomes import Outcome
from .answers import answers_of
from .contents import ids
from .ends import CLAIM_COLUMNS, ORDER, PART, Ends
from .picks import OF_IDS, SAME_INGESTION, ids_of
from .rows import INGESTION_NAMES, IngestionRow
from .schema import IS_RUNNING, THIS, batches, ingestions
from .turns import Turn

SOME = 100
"""Claims renewed, or lost ones ended, in one turn at most."""

_PRIORITY = INGESTION_NAMES.index("priority")
EXPIRED = (
    select(*CLAIM_COLUMNS, PART)
    .join_from(batches, ingestions, SAME_INGESTION)
    .outerjoin(ids, OF_IDS)
    .where(batches.c.instance == THIS, IS_RUNNING, batches.c.lease_until <= bindparam("now"))
    .order_by(batches.c.lease_until)
    .limit(SOME)
)
_RENEW = (
    update(batches)
    .where(
        batches.c.instance == THIS,
        batches.c.order == ORDER,
        batches.c.position == bindparam("of_position"),
        batches.c.attempt == bindparam("of_attempt"),
        batches.c.started_at == bindparam("of_claimed_at"),
        IS_RUNNING,
    )
    .values(lease_until=bindparam("until"))
)


def renew(turn: Turn, claims: Sequence[Claim], lease: float) -> None:
    """Extend the leases of those claims that are still valid."""
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
            for batch, _, claimed_at, *_ in claims
        ],
    )


def recover(turn: Turn) -> list[tuple[Claim, Ingestion]]:
    """End the claims whose leases ran out first; returns them with their ingestions."""
    rows = turn.connection.execute(EXPIRED, {"this": turn.queue.instance, "now": turn.now}).all()
    ends, lost = Ends(turn), []
    for *columns, part in rows:
        _, position, _, attempt, due, started_at, alone, partial, *_ = columns[len(INGESTION_NAMES) :]
        outcome = Outcome.lost(attempt, turn.settings.max_attempts)
        after, state, _ = ends.end(columns, outcome, Priority(columns[_PRIORITY]), part)
        status = statuses(cancelled=bool(after.counts.cancelled))[state]
        row = IngestionRow(*columns[: len(INGESTION_NAMES)])
        ids = ids_of(turn, row, position, 1, part)
        batch = Batch(after.id, position, ids, status, after.priority, attempt, outcome.error, started_at)
        batch = answers_of(row.ids_at(position), partial, alone).asking(batch)
        lost.append((Claim(batch, after.created_at if due is None else due, started_at, row.owner), after))
    ends.write()
    return lost
