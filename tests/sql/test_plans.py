"""What waits or runs is found by an index, however many batches a database keeps."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from app.core import Filter, Priority, Sought, Status, Wait, search
from app.errors import QuotaFull
from app.outcomes import Outcome
from app.sql import schema
from app.sql.store import SQLStore
from app.sql.wire import Writer
from tests.support.clock import START, FakeClock
from tests.support.queueing import claimed, settings, submit
from tests.support.simulation import BOOM

_READS_ALL = re.compile(
    r"SCAN ingest_(batches|hashes)|ingest_(batches|hashes) USING PRIMARY KEY \(instance=\?( AND order>\?)?\)"
)


def listen(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Returns the statements that are written from now on."""
    said: set[str] = set()
    text = Writer.text

    def listening(self: Writer, statement: Any, *, keep: bool = True) -> tuple[str, dict[str, Any]]:
        found = text(self, statement, keep=keep)
        said.add(found[0])
        return found

    monkeypatch.setattr(Writer, "text", listening)
    return said


@pytest.mark.parametrize("chosen", [{}, {"fill": 1, "fresh": 60}, {"fair": 1}, {"fair": 1, "fill": 1, "fresh": 60}])
def test_no_statement_reads_all_batches_of_a_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]
) -> None:
    said = listen(monkeypatch)
    clock = FakeClock()
    made = settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0, concurrency=3, find_ids=1, **chosen)
    store = SQLStore(made, clock)
    for number in range(12):
        submit(store, [number, number + 1], Priority(1 + number % 3), owner="ab"[number % 2])
    for number in range(8):
        found = store.claim(3)
        for claim in () if isinstance(found, Wait) else found:
            outcome = (
                Outcome.retry(BOOM, 5.0 * (number % 3)) if number < 4 else Outcome.ack(["1"] * len(claim.batch.ids))
            )
            store.end_together([(one, outcome) for one in claim.all])
        clock.advance(3)
        submit(store, [number, 99], owner="b")
        store.quote(2, "a")
    submit(store, [1000])
    running = claimed(store)
    for one in store.ingestions():
        store.status(one.id)
    store.renew(running)
    store.stats()
    store.upcoming(9)
    store.callers(9)
    store.runs(9)
    for owner in (None, "a"):
        search(store.finder, store.ingestions, Sought.of("7"), owner=owner)
    clock.advance(1000)
    store.recover()
    sum(store.prune())
    store.close()

    database = sqlite3.connect(tmp_path / "ingest.db")
    plans = {one: _plan(database, one) for one in said if "ingest_batches" in one or "ingest_hashes" in one}
    database.close()
    assert plans
    assert [(one, step) for one, steps in plans.items() for step in steps if _READS_ALL.search(step)] == []


def test_what_waits_for_its_retry_is_counted_from_the_index_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sql.aside._MOST", 1)
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0), FakeClock())
    submit(store, [1])
    store.end(claimed(store)[0], Outcome.retry(BOOM, 5.0))
    said = listen(monkeypatch)
    store.stats()
    store.close()
    database = sqlite3.connect(tmp_path / "ingest.db")
    plans = [_plan(database, one) for one in said if "count(*)" in one and "ingest_batches.due <=" in one]
    database.close()
    assert plans
    for plan in plans:
        (step,) = plan
        assert "USING COVERING INDEX ingest_aside (" in step


def test_a_refusal_by_a_quota_reads_each_retry_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(store=f"sqlite:///{tmp_path}/ingest.db", interval=0, key_quota=1)
    store = SQLStore(chosen, FakeClock())
    submit(store, [1], owner="a")
    store.end(claimed(store)[0], Outcome.retry(BOOM, 5.0))
    said = listen(monkeypatch)
    with pytest.raises(QuotaFull):
        submit(store, [2], owner="a")
    store.close()
    database = sqlite3.connect(tmp_path / "ingest.db")
    (plan,) = [_plan(database, one) for one in said if "ingest_batches" in one and "ingest_ingestions.owner" in one]
    database.close()
    assert "ingest_batches USING COVERING INDEX ingest_aside (" in plan[0]
    assert "order=?" in plan[1]


@pytest.mark.parametrize(
    ("where", "index"),
    [
        (Filter(owner="a"), "ingest_of_owner"),
        (Filter(owner="a", since=START), "ingest_of_owner"),
        (Filter(status=Status.FAILED), "ingest_by_kind"),
        (Filter(status=Status.FAILED, since=START), "ingest_by_kind"),
        (Filter(failed=True, since=START), "ingest_with_failed"),
    ],
    ids=str,
)
def test_the_next_page_of_a_listing_reads_the_rows_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Filter, index: str
) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/ingest.db"), FakeClock())
    submit(store, [1], owner="a")
    said = listen(monkeypatch)
    store.ingestions(where, before=9, limit=5)
    store.close()
    database = sqlite3.connect(tmp_path / "ingest.db")
    plans = [_plan(database, one) for one in said if "ORDER BY" in one and "owner" in one and "DESC" in one]
    database.close()
    assert plans
    for plan in plans:
        (step,) = plan  # with another one it would sort
        assert f"USING INDEX {index} (" in step


def _plan(database: sqlite3.Connection, statement: str) -> list[str]:
    values = dict.fromkeys(re.findall(r":(\w+)", statement))
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


def test_the_steps_make_the_indexes_of_the_schema(tmp_path: Path) -> None:
    store = SQLStore(settings(store=f"sqlite:///{tmp_path}/steps.db"), FakeClock())
    store.ping()
    submit(store, [1])
    store.close()
    engine = create_engine(f"sqlite:///{tmp_path}/schema.db")
    schema.metadata.create_all(engine)
    engine.dispose()
    assert _indexes(tmp_path / "steps.db") == _indexes(tmp_path / "schema.db")


def _indexes(file: Path) -> dict[str, str]:
    database = sqlite3.connect(file)
    rows = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    database.close()
    return {name: " ".join(sql.split()) for name, sql in rows}
