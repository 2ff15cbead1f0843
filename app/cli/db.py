"""`flask-ingestion db`: the tables of a durable store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ..config import Settings
from ..core import plural, printable
from ..errors import ConfigError, StoreUnavailable
from .sweeps import UNDONE, asks
from .times import about

_KEY = Settings.key_of("ingest", "store")

store_option = click.option(
    "--store", envvar=_KEY, required=True, help=f"The database's address, as in {_KEY}.", show_envvar=True
)


@click.group()
def db() -> None:
    """Look at the tables of a durable store, and upgrade them."""


def _command(function: Callable[..., None]) -> click.Command:
    @wraps(function)
    def run(**values: Any) -> None:
        try:
            function(**values)
        except ImportError as error:
            raise click.ClickException(
                f"{error.name} is not installed: pip install 'Flask-Ingestion[sql]', or [postgres] for PostgreSQL."
            ) from None
        except (ConfigError, StoreUnavailable) as error:
            raise click.ClickException(str(error)) from None

    return db.command(name=function.__name__)(run)


@_command
@store_option
def current(store: str) -> None:
    """Print the revision of the tables, and the one this release needs."""
    from ..sql.schema import REVISION
    from ..sql.tables import revision_of

    click.echo(f"{revision_of(store, _KEY) or 'none'} (this release needs {REVISION})")


@_command
@store_option
def upgrade(store: str) -> None:
    """Make the tables, or upgrade them to this release's; all steps or none."""
    from ..sql.schema import REVISION
    from ..sql.tables import upgrade_tables

    before = upgrade_tables(store, _KEY)
    if before is not None and before >= REVISION:
        click.echo(f"{before} is the latest; nothing to do")
    else:
        click.echo(f"{before or 'none'} -> {REVISION}")


@_command
@click.option("--from", "since", metavar="REVISION", help="Only the steps after this revision; else all of them.")
@click.option("--dialect", type=click.Choice(["postgresql", "sqlite"]), default="postgresql", show_default=True)
def sql(since: str | None, dialect: str) -> None:
    """Print the SQL of the steps, for somebody else to run."""
    from alembic.util import CommandError

    from ..sql.migrations import write_sql

    try:
        write_sql(dialect, since, sys.stdout)
    except CommandError as error:
        raise click.BadParameter(str(error), param_hint="--from") from None


@_command
@store_option
def queues(store: str) -> None:
    """Print which queues the store holds, and when a worker of each was seen."""
    from ..sql.instances import queues_in

    for one in queues_in(store, _KEY):
        seen = "no worker" if one.silent is None else f"a worker {about(max(0.0, one.silent))} ago"
        waiting = f"{plural(one.waiting, 'batch')} waiting, {one.running} running"
        click.echo(printable(f"{one.name}: {plural(one.ingestions, 'ingestion')}, {waiting}; {seen}"))


@_command
@click.argument("name")
@store_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def forget(name: str, store: str, *, yes: bool) -> None:
    """Delete all that a queue has in the store, once no worker works on it."""
    from ..sql.instances import forget, held_by

    held = held_by(store, _KEY, name)
    told = f"{plural(held.ingestions, 'ingestion')}, {plural(held.waiting, 'batch')} waiting"
    if asks(yes=yes):
        click.confirm(printable(f"Delete all of {name}, {told}?{UNDONE}"), abort=True, err=True)
    forget(store, _KEY, name)
    click.echo(printable(f"{name} is forgotten: {told}"))
