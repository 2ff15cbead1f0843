"""Creates and upgrades the tables of a database, when a store opens it or by hand."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, inspect, select, text, update

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
    if there is not None:
        least = connection.execute(select(version.c.version)).scalar()
        if least is None:
            raise ConfigError(
                f"{key} holds tables without their version, as a restore of the schema alone leaves them: restore"
                f" {version.name} too, or give it another database."
            )
        if least > VERSION:
            raise ConfigError(
                f"{key} holds tables of version {least}, made by a newer release; this one knows version {VERSION}."
                " Upgrade, or give it another database."
            )
    if there is not None and there >= REVISION:
        return
    if not upgrade:
        what = "no tables" if there is None else f"tables of revision {there}"
        raise ConfigError(
            f"{key} holds {what}, and this release needs revision {REVISION}: run `flask-ingestion db upgrade`"
            f" with its address as --store, or set {key}_UPGRADE=1."
        )
    from . import migrations  # Alembic is needed only where something changes.

    migrations.upgrade(connection, there)


def keep_out_older(connection: Connection) -> None:
    """Let no process of a release start that does not know what this one is about to store."""
    connection.execute(update(version).where(version.c.version < VERSION).values(version=VERSION))


def revision_of(store: str, key: str) -> str | None:
    """Returns the revision of the tables in a database, None if there are none.

    `store` is its address, `key` the setting that messages name. Raises ConfigError and StoreUnavailable.
    """
    url = parse_url(store, key)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return None  # connecting would create the file
    return _change(url, key, upgrade=False)


def upgrade_tables(store: str, key: str) -> str | None:
    """Make or upgrade the tables in a database; returns the revision they had before. Raises as `revision_of`."""
    return _change(parse_url(store, key), key, upgrade=True)


def _change(url: URL, key: str, *, upgrade: bool) -> str | None:
    database = Database(url, pool=1, timeout=30.0)
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
