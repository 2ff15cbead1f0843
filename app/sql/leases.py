"""Claims that are extended by a heartbeat, and lost without one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, any_, bindparam, func, literal_column, select, update

from ..core import Batch, Claim, Ingestion, Priority, statuses
from ..outcomes import Outcome
from .answers import answers_of
from .contents import ids
from .ends import CLAIM_COLUMNS, ORDER, PART, Ends
from .picks import OF_IDS, SAME_INGESTION, ids_of
from .rows import INGESTION_NAMES, IngestionRow
from .schema import IS_RUNNING, THIS, batches, ingestions
from .together import ROWS, together
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
_of_claim = (
    batches.c.instance == THIS,
    batches.c.order == ORDER,
    batches.c.position == bindparam("of_position", type_=batches.c.position.type),
    batches.c.attempt == bindparam("of_attempt", type_=batches.c.attempt.type),
    batches.c.started_at == bindparam("of_claimed_at", type_=batches.c.started_at.type),
)
# On PostgreSQL rows have an address, by which those that were looked up are updated at once. Looked up by their key:
# with the condition that they run, it would read all that run for each.
_address: ColumnElement[str] = literal_column("ingest_batches.ctid")
_looked_up = func.array(together(select(_address.label("at")).select_from(batches).where(*_of_claim)).scalar_subquery())
_RENEW = {
    is_sqlite: update(batches).where(*those, IS_RUNNING).values(lease_until=bindparam("until"))
    for is_sqlite, those in ((True, _of_claim), (False, [_address == any_(_looked_up)]))
}


def renew(turn: Turn, claims: Sequence[Claim], lease: float) -> None:
    """Extend the leases of those claims that are still valid."""
    connection, until = turn.connection, {"until": turn.now + lease}
    rows = [
        {
            "this": turn.queue.instance,
            "id": batch.ingestion_id,
            "of_position": batch.position,
            "of_attempt": batch.attempt,
            "of_claimed_at": claimed_at,
        }
        for batch, _, claimed_at, *_ in claims
    ]
    if connection.is_sqlite:
        connection.execute(_RENEW[True], [row | until for row in rows])
    else:
        connection.execute(_RENEW[False], until | {ROWS: json.dumps(rows)})


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
        batch = answers_of(row.size_of(position), partial, alone).asking(batch)
        lost.append((Claim(batch, after.created_at if due is None else due, started_at, row.owner), after))
    ends.write()
    return lost
