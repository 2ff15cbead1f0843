"""The verbs that look at the tables of a durable store."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.cli.commands import ingestion
from app.sql.schema import REVISION
from app.sql.store import SQLStore
from tests.support.clock import FakeClock
from tests.support.queueing import settings, submit


def db(*words: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(ingestion, ["db", *words], prog_name="flask-ingestion")


def test_current_and_upgrade(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/queue.db"
    assert db("current", INGEST_STORE=store).stdout == f"none (this release needs {REVISION})\n"
    assert list(tmp_path.iterdir()) == []
    assert db("upgrade", INGEST_STORE=store).stdout == f"none -> {REVISION}\n"
    assert db("upgrade", "--store", store).stdout == f"{REVISION} is the latest; nothing to do\n"
    assert db("current", "--store", store).stdout == f"{REVISION} (this release needs {REVISION})\n"


def test_queues_and_forget(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/queue.db"
    for name in ("crm", "geo"):
        opened = SQLStore(settings(store=store), FakeClock(), name)
        submit(opened, range(4))
        opened.close()
    told = "crm: 1 ingestion, 2 batches waiting, 0 running; no worker\n"
    assert db("queues", INGEST_STORE=store).stdout == told + told.replace("crm", "geo")
    forgotten = db("forget", "geo", "--store", store)
    assert forgotten.stdout == "geo is forgotten: 1 ingestion, 2 batches waiting\n"
    assert db("queues", "--store", store).stdout == told
    again = db("forget", "geo", "--store", store)
    assert again.exit_code == 1
    assert "INGEST_STORE holds no queue 'geo'; it has crm." in again.output


def test_the_sql_can_be_read() -> None:
    result = db("sql", "--from", "0001")
    assert result.exit_code == 0
    assert "CREATE TABLE ingest_workers" in result.stdout
    assert "CREATE TABLE ingest_batches" not in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("current",), 2, "INGEST_STORE"),
        (("current", "--store", "mysql://x/y"), 1, "INGEST_STORE names mysql://"),
        (("upgrade", "--store", "memory://"), 1, "INGEST_STORE is memory://, which has no tables"),
        (("upgrade", "--store", "postgresql+psycopg://nobody@127.0.0.1:1/none"), 1, "cannot be reached"),
        (("sql", "--from", "9999"), 2, "9999"),
    ],
)
def test_what_is_wrong_is_a_sentence(words: tuple[str, ...], code: int, sentence: str) -> None:
    result = db(*words)
    assert result.exit_code == code
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("flask_ingestion.sql")]:
        monkeypatch.delitem(sys.modules, name)
    missing: Any = None
    monkeypatch.setitem(sys.modules, "sqlalchemy", missing)
    result = db("current", "--store", f"sqlite:///{tmp_path}/queue.db")
    assert result.exit_code == 1
    assert "pip install 'Flask-Ingestion[sql]'" in result.output
