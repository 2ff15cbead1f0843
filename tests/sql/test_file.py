"""A SQLite file that is put in another's place under a running service."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.sql.store import SQLStore
from tests.support.queueing import settings, submit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


@pytest.fixture
def open_it(path: Path) -> Callable[[], SQLStore]:
    return lambda: SQLStore(settings(store=f"sqlite:///{path}", interval=0), None, "ingest")


def back_up(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed there")
def test_a_restored_file_is_refused_until_the_process_starts_anew(path: Path, open_it: Callable[[], SQLStore]) -> None:
    with closing(open_it()) as running:
        kept = submit(running, [1])
        back_up(path, path.with_name("backup"))
        remove(path)
        path.with_name("backup").rename(path)
        for call in (running.ping, lambda: submit(running, [2]), lambda: running.claim(1)):
            with pytest.raises(StoreUnavailable, match="was replaced or removed"):
                call()
    with closing(open_it()) as anew:
        assert [one.id for one in anew.ingestions()] == [kept.id]


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be removed there")
def test_a_removed_file_is_not_made_anew(path: Path, open_it: Callable[[], SQLStore]) -> None:
    with closing(open_it()) as running:
        submit(running, [1])
        remove(path)
        with pytest.raises(StoreUnavailable, match="was replaced or removed"):
            submit(running, [2])
        assert not path.exists()
