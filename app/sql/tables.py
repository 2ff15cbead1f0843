"""Creates and upgrades the tables of a database, when a store opens it or by hand."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select, text

from ..errors import ConfigError
from .address import parse_url
from .database import Database
from .schema import FIRST, REVISION, VERSION, revisions, version


def found(connection: Connection) -> str | None:
    """Returns the revision of the tables in a database, None where there are none."""
    tables = inspect(connection).get_table_names()
    if version.name not in tables:
        return None
    if revisions.name not in tables:
        return FIRST
    return connection.execute(select(revisions.c.version_num)).scalar() or FIRST


def prepare(connection: Connection, key: str, *, upgrade: bool = True) -> None:
    """Make the tables or upgrade them, inside a transaction that keeps other writers out.

    Raises ConfigError, naming `key`, where they belong to a newer release, or would have to change without `upgrade`.
    """
    if connection.dialect.name == "postgresql":
        # An arbitrary number of our own: one process at a time makes or upgrades the tables.
        connection.execute(text("SELECT pg_advisory_xact_lock(1768846195)"))
    there = found(connection)
    if there is not None and (least := connection.execute(select(version.c.version)).scalar_one()) > VERSION:
        raise ConfigError(
            f"{key} holds tables of version {least}, made by a newer release; this one knows version {VERSION}."
            " Upgrade, or give it another database."
        )
    if there is not None and there >= REVISION:
        return
    if not upgrade:
        what = "no tables" if there is None else f"tables of revision {there}"
        raise ConfigError(
            f"{key} holds {what}, and this release needs revision {REVISION}: run `flask-ingestion db upgrade`,"
            f" or set {key}_UPGRADE=1."
        )
    from . import migrations  # Alembic is needed only where something changes.

    migrations.upgrade(connection, there)


def revision_of(store: str, key: str) -> str | None:
    """Returns the revision of the tables in a database, None if there are none.

    `store` is its address, `key` the setting that messages name. Raises ConfigError and StoreUnavailable.
    """
    return _change(store, key, upgrade=False)


def upgrade_tables(store: str, key: str) -> str | None:
    """Create or upgrade the tables in a database; returns their previous revision. Raises what `revision_of` raises."""
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
