"""How what failed is found in SQLite: by its index, however much else there is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.core import BatchError, Failure, FailureFilter, Priority
from app.core.clock import SystemClock
from app.errors import StoreUnavailable
from app.sql import failures
from app.sql.store import SQLStore
from tests.support.queueing import bury, claimed, settings, submit


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLStore]:
    chosen = settings(store=f"sqlite:///{tmp_path}/queue.db", interval=0, batch_size=1)
    with closing(SQLStore(chosen, SystemClock())) as store:
        yield store


@pytest.mark.parametrize("page", [failures.page, failures.page_with_ids])
@pytest.mark.parametrize(
    "where",
    [
        FailureFilter(),
        FailureFilter(since=1.0),
        FailureFilter(Priority.LOW, "web", "a", 1.0, 2.0),
    ],
)
def test_they_are_read_in_the_order_of_their_index(
    store: SQLStore, tmp_path: Path, where: FailureFilter, page: Callable[..., list[Failure]]
) -> None:
    submit(store, [1], Priority.LOW, owner="web")
    bury(store, claimed(store)[0], BatchError("E", "boom"))
    told: list[tuple[str, dict[str, Any]]] = []

    def look(view: Any) -> list[Failure]:
        execute = view.connection._driver.set_trace_callback
        execute(lambda text: told.append((text, {})))
        try:
            return page(view, where, (3e9, 9, 9))
        finally:
            execute(None)

    store._instance.read(look)
    (text,) = (text for text, _ in told if "ingest_batches" in text)
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    assert any("USING INDEX ingest_failures" in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan


def test_that_the_store_is_gone_is_known_before_the_first_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with closing(SQLStore(settings(store=f"sqlite:///{folder}/queue.db"), SystemClock())) as store:
        shutil.rmtree(folder)
        with pytest.raises(StoreUnavailable):
            store.failures()
