"""A database that can be read and takes no changes, as on a full disk or after a failover."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from app.sql.store import SQLStore
from tests.support.host import eventually


@contextmanager
def unwritable(store: SQLStore) -> Iterator[None]:
    """Have every transaction of this store be for reading alone, as the database itself sees to."""
    database, refuses = store._database, True
    setting = "PRAGMA query_only" if database.is_sqlite else "SET default_transaction_read_only"

    @event.listens_for(database._engine, "checkout")
    def set_it(driver: Any, *_: Any) -> None:
        driver.execute(f"{setting} = {'on' if refuses else 'off'}")

    eventually(lambda: store._turns._leader is None)  # a turn under way may still write, and takes others in
    try:
        yield
    finally:
        refuses = False
