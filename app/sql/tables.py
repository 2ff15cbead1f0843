"""The tables of a database, looked at and upgraded by hand."""

from __future__ import annotations

from sqlalchemy import Connection

from .address import parse_url
from .database import Database
from .schema import found, prepare


def revision_of(store: str, key: str) -> str | None:
    """Returns the revision of the tables in a database, None where there are none.

    `store` is its address, `key` the setting that messages name. Raises ConfigError and StoreUnavailable.
    """
    return _change(store, key, upgrade=False)


def upgrade_tables(store: str, key: str) -> str | None:
    """Make or upgrade the tables in a database; returns the revision they had before. Raises as `revision_of`."""
    return _change(store, key, upgrade=True)


def _change(store: str, key: str, *, upgrade: bool) -> str | None:
    database = Database(parse_url(store, key), pool=1, timeout=30.0)
    before: list[str | None] = []

    def work(connection: Connection) -> None:
        before.append(found(connection))
        if upgrade:
            prepare(connection, key)

    try:
        database.define(work)
    finally:
        database.close()
    return before[-1]
