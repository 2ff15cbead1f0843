"""A server that lets whoever connects wait in vain: one caller at a time finds out whether it is back."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from psycopg import OperationalError
from psycopg.errors import ConnectionTimeout

from app.errors import StoreUnavailable
from app.sql.server import Server, ServerConnection
from app.sql.store import SQLStore
from tests.support.host import BOUND, eventually
from tests.support.postgres import Postgres
from tests.support.queueing import settings, submit


class Silence:
    """A server that lets whoever connects wait, until `end`; `asked` counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self._over = threading.Event()
        self._monkeypatch = monkeypatch

    def begin(self, store: SQLStore) -> None:
        """From now on nobody has a connection."""
        store._database._engine.dispose()
        self._monkeypatch.setattr(ServerConnection, "connect", self._connect)

    def _connect(self, *_: Any, **__: Any) -> None:
        self.asked += 1
        assert self._over.wait(BOUND)
        raise ConnectionTimeout("connection timeout expired")

    def tell(self) -> None:
        """Have those that wait give up, and those that come later at once."""
        self._over.set()

    def go_on(self) -> None:
        """Let those wait that come from now on."""
        self._over.clear()

    def end(self) -> None:
        """The server is back."""
        self._monkeypatch.undo()
        self._over.set()


@pytest.fixture
def store(postgres: Postgres) -> Iterator[SQLStore]:
    with closing(SQLStore(settings(store=postgres.new_database()))) as made:
        submit(made, [1])
        yield made


@pytest.fixture
def silence(store: SQLStore, monkeypatch: pytest.MonkeyPatch) -> Silence:
    made = Silence(monkeypatch)
    made.begin(store)
    return made


@pytest.fixture
def aside() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


READ, WRITE = (lambda store: store.ingestions()), (lambda store: submit(store, [2]))


@pytest.mark.parametrize("first", [READ, WRITE], ids=["read", "write"])
def test_while_one_waits_for_it_others_are_told_at_once(
    first: Callable[[SQLStore], Any],
    store: SQLStore,
    silence: Silence,
    aside: Callable[[Callable[[], Any]], Future[Any]],
) -> None:
    silence.tell()
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        WRITE(store)
    silence.go_on()
    waits = aside(lambda: first(store))
    eventually(lambda: silence.asked == 2)
    for call in (READ, WRITE, READ):
        with pytest.raises(StoreUnavailable, match=r"^The store cannot be reached\.$"):
            aside(lambda call=call: call(store)).result(BOUND / 2)  # type: ignore[misc]
    assert not waits.done()
    assert silence.asked == 2
    silence.end()
    with pytest.raises(StoreUnavailable):
        waits.result(BOUND)
    assert len(WRITE(store).id) == 36
    assert not store.trouble


def test_who_waits_for_a_turn_is_told_with_the_first_who_waited_in_vain(
    store: SQLStore, silence: Silence, aside: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    calls = [aside(lambda: WRITE(store)) for _ in range(3)]
    eventually(lambda: silence.asked == 1 and len(store._turns._waiting) == 2)
    silence.tell()
    for call in calls:
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            call.result(BOUND)
    assert silence.asked == 1
    silence.end()
    assert len(WRITE(store).id) == 36
    assert len(store.ingestions()) == 2


def test_nobody_waits_for_a_turn_while_one_finds_out_whether_a_lock_is_gone(
    tmp_path: Path, aside: Callable[[Callable[[], Any]], Future[Any]]
) -> None:
    with closing(SQLStore(settings(store=f"sqlite:///{tmp_path}/queue.db", store_timeout=0.2))) as store:
        submit(store, [1])
        store._database._timeout = 0.0
        with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="kept it locked"):
                WRITE(store)
            store._database._timeout = BOUND
            waits = aside(lambda: WRITE(store))
            eventually(lambda: store._turns._leader is not None)
            with pytest.raises(StoreUnavailable, match="kept it locked"):
                aside(lambda: WRITE(store)).result(BOUND / 2)
            assert not waits.done()
            other.execute("ROLLBACK")
            assert len(waits.result(BOUND).id) == 36
            assert not store.trouble


def test_where_a_connection_is_left_it_is_not_away(store: SQLStore) -> None:
    """As behind a pooler that has no other to spare."""
    server = store._database._server
    assert server
    READ(store)
    server.away = "connection timeout expired"
    READ(store)
    assert not server.away


@pytest.mark.parametrize("answer", [Mock(), OperationalError("connection refused")], ids=["accepts", "refuses"])
def test_a_server_that_answers_who_connects_is_not_away(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerConnection, "connect", Mock(side_effect=[answer]))
    server = Server(1.0)
    server.away = "connection timeout expired"
    with suppress(OperationalError):
        server.connect()
    assert not server.away


def test_no_timeout_is_so_short_that_the_server_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    connects = Mock()
    monkeypatch.setattr(ServerConnection, "connect", connects)
    Server(0.0001).connect()
    told = connects.call_args.kwargs
    bounds = ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
    assert {f"{name}=1" for name in bounds} <= set(told["options"].split())
    assert told["connect_timeout"] == 2  # libpq makes 2 of 1, and no bound of 0
