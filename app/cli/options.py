"""Options and arguments that several verbs take."""

from __future__ import annotations

from collections.abc import Callable

import click

from ..core import Priority, Status
from .idfile import READERS

priority_choice = click.Choice([priority.name for priority in Priority], case_sensitive=False)
every_option = click.option(
    "--every", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between two looks."
)
status_choice = click.Choice([status.value for status in Status])
timeout_option = click.option("--timeout", type=click.FloatRange(0), help="Seconds to wait at most.")


def takes_ids(command: Callable[..., None]) -> Callable[..., None]:
    """Add the ids, the file that has more of them, and their type."""
    ids = click.argument("ids", nargs=-1)
    file = click.option(
        "-f",
        "--file",
        type=click.File(encoding="utf-8-sig"),
        help="A file of ids, one a line; integers also with commas.",
    )
    id_type = click.option(
        "--id-type",
        type=click.Choice(list(READERS)),
        envvar="INGEST_ID_TYPE",
        default="integer",
        show_default=True,
        show_envvar=True,
        help="As the service has it: with string, each line and each argument is one id.",
    )
    return ids(file(id_type(command)))


def pausable(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name what is paused or resumed."""
    priority = click.option("--priority", type=priority_choice, help="Only this priority.")
    owner = click.option("--owner", help="Only this caller.")
    return priority(owner(command))
