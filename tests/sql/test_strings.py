"""Databases in which ids are strings: what other settings and older releases make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from app.core import Strings, SystemClock
from app.core.models import Priority
from app.errors import ConfigError
from app.sql import tables
from app.sql.store import SQLStore
from app.store import Submission
from app.wiring import open_store
from tests.support.host import Host
from tests.support.queueing import claimed, finish, settings, submit

Open = Callable[..., SQLStore]
IDS = ["a", "b", "c", "d"]


def query(database: str, statement: str) -> list[Any]:
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]
    finally:
        engine.dispose()


def process(ids: list[Any]) -> dict[Any, str]:
    """Tells the type of each id."""
    return {one: type(one).__name__ for one in ids}


@pytest.mark.parametrize(("before", "after"), [("integer", "string"), ("string", "integer")])
def test_what_waits_is_done_under_another_setting(
    database: str, serve: Callable[..., Host], before: str, after: str
) -> None:
    ids: dict[str, list[Any]] = {"integer": [1, 2, 3, 4], "string": IDS}
    first = serve(store=database, interval=0, id_type=before, autostart=False)
    kept = first.ingestion.submit(ids[before], "LOW").id
    first.store.close()
    second = serve(process, clock=SystemClock(), store=database, interval=0, id_type=after)
    new = second.ingestion.submit(ids[after], "LOW").id
    second.heard.until_finished(kept, new)
    for ingestion_id, kind in ((kept, before), (new, after)):
        named = '"int"' if kind == "integer" else '"str"'
        assert list(second.ingestion.results(ingestion_id)) == [(one, named) for one in ids[kind]]
        assert second.client.get(f"/status/{ingestion_id}").json["batches"][1]["ids"] == ids[kind][3:]
    second.ingestion.stop()
    second.store.close()


def test_other_processes_read_them(open_sql: Open) -> None:
    one, two = (open_sql(interval=0, id_type="string") for _ in range(2))
    ingestion, _ = one.add(Submission(Strings.of(IDS), Priority.LOW))
    assert claimed(two)[0].batch.ids == IDS[:3]
    assert claimed(one)[0].batch.ids == IDS[3:]
    assert [batch.ids for batch in two.batches(ingestion.id)[1]] == [IDS[:3], IDS[3:]]


def test_they_are_kept_as_lines_away_from_where_older_releases_look(open_sql: Open, database: str) -> None:
    store = open_sql(interval=0, id_type="string")
    store.add(Submission(Strings.of(["\u00fc", "b"]), Priority.HIGH))
    submit(store, [1])
    ((order, lines),) = query(database, 'SELECT "order", lines FROM ingest_strings')
    assert (order, bytes(lines)) == (1, "\u00fc\nb\n".encode())
    assert query(database, 'SELECT "order" FROM ingest_ids') == [(2,)]


def test_once_ids_may_be_strings_no_older_release_starts(
    open_sql: Open, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sql().ping()
    assert query(database, "SELECT version FROM ingest_version") == [(1,)]
    open_sql(id_type="string").ping()
    assert query(database, "SELECT version FROM ingest_version") == [(2,)]
    open_sql().ping()
    monkeypatch.setattr(tables, "VERSION", 1)
    with pytest.raises(ConfigError, match="tables of version 2, made by a newer release; this one knows version 1"):
        open_store(settings(store=database), SystemClock(), "ingest")


def test_what_is_forgotten_leaves_nothing(open_sql: Open, database: str, clock: Any) -> None:
    store = open_sql(interval=0, id_type="string", retention=1)
    store.add(Submission(Strings.of(["a"]), Priority.HIGH))
    finish(store, claimed(store)[0])
    clock.advance(2)
    assert sum(store.prune()) == 1
    assert query(database, "SELECT count(*) FROM ingest_strings") == [(0,)]
