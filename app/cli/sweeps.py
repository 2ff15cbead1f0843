"""A redrive or a cancel of all that match: which, how many, and how far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from ..core import plural
from .moments import MOMENT, moment
from .options import priority_choice, status_choice
from .remote import Remote, remote, say
from .times import Times

UNDONE = " It cannot be undone."
"""What whoever cancels must know."""

_PAUSE = 0.5
"""Seconds from one look at the progress to the next."""


def sweep_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that choose ingestions."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Only say how many match."),
        click.option("--until", help=f"All submitted then or earlier: {MOMENT}."),
        click.option("--since", help=f"All submitted then or later: {MOMENT}."),
        click.option("--with-failed", "failed", is_flag=True, default=None, help="All with failed batches."),
        click.option("--group", help="All with a failure of this group, as failures shows it."),
        click.option("--owner", help="All of this caller."),
        click.option("--priority", type=priority_choice),
        click.option("--status", type=status_choice, help="All in this status."),
    ):
        function = option(function)
    return function


def sweep_filter(ingestion_id: str | None, where: Mapping[str, Any], *, dry_run: bool) -> dict[str, Any]:
    """Returns what was chosen, nothing if that is one ingestion. Raises UsageError for both and for neither."""
    chosen: dict[str, Any] = {name: value for name, value in where.items() if value is not None}
    for name in {"since", "until"} & chosen.keys():
        chosen[name] = moment(f"--{name}", chosen[name])
    if ingestion_id is None and not chosen:
        raise click.UsageError("Give an ingestion's id, or options that choose some, such as --status and --since.")
    if ingestion_id is not None and (chosen or dry_run):
        raise click.UsageError("Give either an ingestion's id, or options that choose some.")
    return chosen


def asks(*, yes: bool) -> bool:
    """Returns whether somebody is there to confirm, and has not done so with --yes."""
    return not yes and sys.stdin.isatty()


def carry_out(to: Remote, verb: str, where: dict[str, Any], *, dry_run: bool, yes: bool) -> None:
    """Say how many match, ask on a terminal, and show the progress until all is done."""
    client = to.client
    count = client.count_redrive(**where) if verb == "redrive" else client.count_cancel(**where)
    told = f"{plural(count.ingestions, 'ingestion')}, {plural(count.batches, 'batch')}"
    if dry_run:
        to.show(count, lambda *_: told)
        return
    if asks(yes=yes):
        click.confirm(f"{verb.capitalize()} {told}?{UNDONE if verb == 'cancel' else ''}", abort=True, err=True)
    sweep, said = client.redrive_all(**where) if verb == "redrive" else client.cancel_all(**where), -1
    while sweep.state == "running":
        if sweep.acted != said:
            said = sweep.acted
            say(f"{said} of {plural(sweep.matched, 'ingestion')}")
        time.sleep(_PAUSE)
        sweep = client.sweep(sweep.sweep_id)
    to.show(sweep, lambda done, _: f"{verb} of {plural(done['acted'], 'ingestion')} is done")


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@remote
def sweeps(to: Remote, limit: int) -> None:
    """List redrives and cancels of all that match, newest first, with how far each is."""
    found = to.client.sweeps(limit=limit)
    if not found and not to.as_json:
        say("Nobody has redriven or cancelled all that match.")
    for sweep in found:
        to.show(sweep, _line)


def _line(sweep: Mapping[str, Any], times: Times) -> str:
    chosen = ", ".join(_chosen(name, value, times) for name, value in sweep["filter"].items())
    who = f"{times.ago(sweep['created_at'])}, {sweep['by'] or 'anybody'}"
    done = f"{sweep['acted']} of {plural(sweep['matched'], 'ingestion')}"
    return f"{who}: {sweep['verb']} ({chosen}): {sweep['state']}, {done}"


def _chosen(name: str, value: Any, times: Times) -> str:
    if name in ("since", "until"):
        value = times.around(value)
    return name if value is True else f"{name} {value}"
