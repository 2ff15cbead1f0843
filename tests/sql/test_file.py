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


def test_it_is_found_again_after_a_change_of_folder(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with closing(SQLStore(settings(store="sqlite:///queue.db", interval=0), None, "ingest")) as store:
        submit(store, [1])
        monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
        submit(store, [2])


@pytest.mark.skipif(os.name != "posix", reason="rights of files are others there")
def test_a_link_to_a_file_that_is_not_there_makes_one_for_its_owner_alone(path: Path) -> None:
    path.symlink_to(path.with_name("target.db"))
    with closing(SQLStore(settings(store=f"sqlite:///{path}", interval=0), None, "ingest")) as store:
        submit(store, [1])
    assert path.stat().st_mode & 0o777 == 0o600
