"""The way to the database: connections and transactions."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, Executable, Pool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import StoreUnavailable
from .file import StoreFile
from .forkgate import ForkGate
from .trouble import Complaints, explained, is_ours, is_read_only
from .wire import Values, Wire, Writer

if TYPE_CHECKING:
    from .server import Server

logger = logging.getLogger("flask_ingestion")

T = TypeVar("T")

_IDLES = 5.0
"""Seconds that may pass between two statements where tables are made, at least: Alembic is imported meanwhile."""

_inherited: list[Pool] = []


class _Stale(Exception):
    """The connection was lost, and the whole transaction can run again on another."""


class Database:
    """One database, SQLite or PostgreSQL.

    Its methods raise StoreUnavailable; nothing was written then, unless the answer to a commit was lost.
    """

    def __init__(self, url: URL, pool: int, timeout: float) -> None:
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._timeout = timeout
        self._gate = ForkGate()
        self._file = StoreFile(Path(str(url.database))) if self.is_sqlite else None
        if self._file:
            self._file.create()
        self._engine = create_engine(
            url,
            pool_size=pool,
            max_overflow=0,
            pool_timeout=timeout,
            pool_use_lifo=True,
            connect_args=self._sqlite_arguments() if self.is_sqlite else {},
        )
        self._complaints = Complaints()
        self._writer = Writer(self._engine.dialect)
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._server: Server | None = None
        if self.is_sqlite:
            event.listen(self._engine, "connect", self._on_sqlite_connect)
        else:
            from .server import Server

            server = self._server = Server(timeout)
            event.listen(self._engine, "do_connect", lambda _, __, given, options: server.connect(*given, **options))

    def define(self, work: Callable[[Connection], None]) -> None:
        """A transaction through SQLAlchemy, for what is done once; it keeps other writers out of SQLite."""
        with self._gate, self._translated(), self._engine.connect() as connection:
            if self.is_sqlite:
                driver = connection.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                self._insist(driver, "BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")
                idle = round(max(_IDLES, self._timeout) * 1000)
                connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {idle}")
                # It may change every row of a large queue, once.
                Wire(connection.connection.driver_connection, self._writer).take_time()
            work(connection)
            connection.commit()

    def write(self, work: Callable[[Wire], T]) -> T:
        """Returns what `work` returns in a transaction, which is committed unless it raises.

        Calls it again if the connection proves stale before anything came back.
        """
        return self._run(work, self._lock_sqlite if self.is_sqlite else _begin, changes=True)

    def read(self, work: Callable[[Wire], T]) -> T:
        """Returns what `work` returns in one snapshot; calls it again if the connection is lost meanwhile."""
        return self._run(work, _begin if self.is_sqlite else _begin_snapshot)

    def glance(self, statement: Executable, values: Values) -> Any:
        """Returns the first row of one statement, or None, without a transaction around it."""
        return self._run(lambda wire: wire.execute(statement, values).first())

    def tidy(self) -> None:
        """Empty SQLite's write-ahead log to give back its space, unless somebody is reading or the disk is full."""
        if not self.is_sqlite:
            return
        try:
            with self._gate, self._translated(), self._session() as (driver, _), self._without_waiting(driver):
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except StoreUnavailable as error:  # what was written before is safe all the same
            logger.warning("the write-ahead log keeps its size: %s", error)

    def before_fork(self) -> None:
        """Wait until no transaction is under way, and let none start."""
        self._gate.close(self._timeout)

    def after_fork_in_parent(self) -> None:
        """Let transactions start again."""
        self._gate.open()

    def abandon(self) -> None:
        """Drop what this forked child inherited, which remains the parent's."""
        # Kept, never closed: closing would end the parent's sessions or drop SQLite's locks.
        _inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    def close(self) -> None:
        self._engine.dispose()

    def _run(
        self, work: Callable[[Wire], T], begin: Callable[[Any], object] | None = None, *, changes: bool = False
    ) -> T:
        with self._gate, self._translated():
            try:
                return self._once(work, begin, changes)
            except _Stale:
                return self._once(work, begin, changes)

    def _once(self, work: Callable[[Wire], T], begin: Callable[[Any], object] | None, changes: bool) -> T:
        with self._session(pipelined=begin is not None, changes=changes) as (driver, wire):
            if begin is None:
                answer = work(wire)
            else:
                begin(driver)
                answer = work(wire)
                wire.answered = True  # or what is committed now, and its answer lost, would be done again
                # Even after mere reads, within the pipeline: the pool would end the transaction with a round trip.
                driver.execute("COMMIT")
        if self._server:
            self._server.away = ""
        return answer

    @contextmanager
    def _session(self, *, pipelined: bool = False, changes: bool = False) -> Iterator[tuple[Any, Wire]]:
        """A connection from the pool, returned at the end; what was not committed is rolled back."""
        if self._file:
            self._file.check()
        pool = self._engine.pool
        connection = self._engine.raw_connection()
        driver: Any = connection.driver_connection
        if not self.is_sqlite:
            driver.silence = driver.patience
        wire = Wire(driver, self._writer)
        try:
            # In a pipeline PostgreSQL answers only where an answer is asked for: 1.6 times the batches/s drain.
            with driver.pipelined() if pipelined and not self.is_sqlite else nullcontext():
                yield driver, wire
        except self._driver_error as error:
            lost = self._engine.dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
            # After a failover this may be the old primary, and the address lead to the new one by now.
            if lost or is_read_only(error):
                connection.invalidate(error)
                # The other connections in the pool are as old as this one.
                self._engine.dispose()
            waited = not self.is_sqlite and driver.given_up
            if lost and not (waited or (changes and wire.answered)):
                raise _Stale from error
            raise
        finally:
            if not self.is_sqlite and driver.closed and connection.is_valid:
                connection.invalidate()  # a Ctrl-C has closed it, and the pool would fail to roll back
            connection.close()
            if self._engine.pool is not pool:
                pool.dispose()  # another loss replaced it, and nobody asks it for a connection again

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout, self._driver_error, _Stale) as error:
            cause: BaseException = error
            if isinstance(error, DBAPIError) and error.orig:
                cause = error.orig
            elif isinstance(error, _Stale) and error.__cause__:
                cause = error.__cause__
            if is_ours(cause):
                raise
            said = " ".join(str(cause).split())
            detail = explained(said)
            self._complaints.log(detail, said, time.monotonic())
            raise StoreUnavailable(detail) from error

    def _sqlite_arguments(self) -> dict[str, Any]:
        return {"timeout": self._timeout, "isolation_level": None, "check_same_thread": False}

    def _on_sqlite_connect(self, connection: sqlite3.Connection, _: Any) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 4194304"):
            self._insist(connection, f"PRAGMA {pragma}")

    def _lock_sqlite(self, driver: sqlite3.Connection) -> None:
        with self._without_waiting(driver):
            self._insist(driver, "BEGIN IMMEDIATE")

    @contextmanager
    def _without_waiting(self, driver: sqlite3.Connection) -> Iterator[None]:
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            driver.execute(f"PRAGMA busy_timeout = {round(self._timeout * 1000)}")

    def _insist(self, driver: sqlite3.Connection, statement: str) -> None:
        """Run what needs a lock as soon as the lock is free.

        SQLite's own wait backs off to 100 ms, and so starves beside a busy process; for the change to WAL it has none.
        """
        give_up_at = time.monotonic() + self._timeout
        while True:
            try:
                driver.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() >= give_up_at:
                    raise
            time.sleep(random.uniform(0.0001, 0.002))


def _begin(driver: Any) -> None:
    driver.execute("BEGIN")


def _begin_snapshot(driver: Any) -> None:
    driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
