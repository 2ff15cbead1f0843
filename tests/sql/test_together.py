"""Many rows in one statement: claims that end in one turn end as they do one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from app.core import BatchError
from app.core.models import Claim
from app.outcomes import Outcome
from app.sql import ends, leases
from app.sql.store import SQLStore
from app.sql.together import ROWS, together
from app.sql.wire import Writer
from tests.support.clock import FakeClock
from tests.support.postgres import Postgres
from tests.support.queueing import claimed, settings, submit

AWKWARD = 'a "quote", a \\ and \x00, \ud800 and \U0001f41e'

OUTCOMES = [
    Outcome.ack(["7", '"grün \\u0000 \U0001f41e"']),
    Outcome.ack([]),
    Outcome.bury(BatchError("Odd", AWKWARD)),
    Outcome.retry(BatchError("Odd", AWKWARD), 0.1),
    Outcome.retry(BatchError("Odd", "due at once"), 0.0),
    Outcome.release(),
]


@pytest.mark.parametrize("more", [{}, {"fresh": 60}])
def test_many_ends_in_one_turn_are_what_each_is_alone(
    open_sql: Callable[..., SQLStore], clock: FakeClock, more: dict[str, Any]
) -> None:
    stores = [open_sql(name=name, interval=0, batch_size=2, max_pending=0, **more) for name in ("alone", "together")]
    for store in stores:
        submit(store, range(2 * (len(OUTCOMES) + 2)))
    of_alone, of_together = ([one for _ in OUTCOMES for one in claimed(store)] for store in stores)
    clock.advance(0.5)
    alone, together = stores
    for claim, outcome in zip(of_alone, OUTCOMES, strict=True):
        assert alone.end(claim, outcome)
    stale, twice = of_together[0]._replace(claimed_at=0.0), of_together[1]
    ends = zip([stale, *of_together, twice], [OUTCOMES[0], *OUTCOMES, OUTCOMES[1]], strict=True)
    assert [one is not None for one in together.end_together(list(ends))] == [False, *[True] * len(OUTCOMES), False]

    clock.advance(0.05)
    assert told(alone, of_alone[0]) == told(together, of_together[0])
    # What is due at once, what was put back and what never started go next, in order, in one claim.
    starts = [[one.batch.position for one in claimed(store, 8)] for store in stores]
    assert starts == [[4, 5, 6, 7]] * 2
    assert told(alone, of_alone[0]) == told(together, of_together[0])


def told(store: SQLStore, claim: Claim) -> list[object]:
    """All that a store tells of a claim's ingestion, but its id."""
    ingestion, _, batches = store.status(claim.batch.ingestion_id)
    results, errors = (list(store.results(ingestion.id, failed=failed)) for failed in (False, True))
    return [ingestion.counts, [one._replace(ingestion_id="") for one in batches], results, errors]


def test_leases_renewed_in_one_statement_are_those_that_were_not_lost(
    open_sql: Callable[..., SQLStore], clock: FakeClock
) -> None:
    store, neighbour = (open_sql(name=name, interval=0, batch_size=2, lease=60) for name in ("this", "other"))
    for one in (store, neighbour):
        submit(one, range(14))
    first, lost, ended, put_back, *others = claimed(store, 7)
    theirs = claimed(neighbour, 7)
    store.end(ended, Outcome.ack([]))
    store.end(lost, Outcome.retry(BatchError("Odd", "once more"), 0.0))
    (other_attempt,) = claimed(store)
    store.end(put_back, Outcome.release())
    clock.advance(1)
    (same_attempt,) = claimed(store)
    assert [other_attempt.batch.attempt, same_attempt.batch.attempt] == [2, 1]
    clock.advance(40)
    unknown = first._replace(batch=first.batch._replace(ingestion_id=str(uuid4())))
    store.renew([first, lost, ended, put_back, unknown, *others])
    clock.advance(40)
    assert {one.batch.id for one, _ in store.recover()} == {lost.batch.id, put_back.batch.id}
    assert {one.batch.id for one, _ in neighbour.recover()} == {one.batch.id for one in theirs}
    assert store.end(first, Outcome.ack([]))


@pytest.mark.parametrize("statement", [together(ends._CLAIM), together(ends._CLAIM_WITH_IDS), leases._RENEW[False]])
def test_claims_are_found_by_their_key_while_their_table_has_no_statistics(
    postgres: Postgres, clock: FakeClock, statement: Any
) -> None:
    address = postgres.new_database()
    store, engine = SQLStore(settings(store=address, interval=0), clock), create_engine(address)
    store.prepare()
    with engine.begin() as connection:
        for table in ("ingest_ingestions", "ingest_batches"):
            connection.exec_driver_sql(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    ids = [submit(store, [1]).id for _ in range(300)]
    claimed(store, len(ids))
    store.close()
    rows = [{"this": 1, "id": one, "position": 0, "of_position": 0} for one in ids[:50]]
    asked, constants = Writer(engine.dialect).text(statement)
    with engine.begin() as connection:
        told = connection.exec_driver_sql(f"EXPLAIN {asked}", {**constants, ROWS: json.dumps(rows), "until": 0.0})
        plan = [line for (line,) in told]
    engine.dispose()
    first = next(nth for nth, line in enumerate(plan) if "Scan" in line and "on ingest_batches" in line)
    condition = plan[first + 1]
    assert '"order" =' in condition
    assert '"position" =' in condition
