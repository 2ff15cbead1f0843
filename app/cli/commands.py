"""The command line: `flask ingestion …` beside an app, `flask-ingestion …` by itself.

Both speak to a service over HTTP. Data goes to stdout, messages go to stderr. The exit code is 0 where all is fine, 1
where the ingestion failed or was cancelled (or a proof did not hold), 2 for wrong usage, 3 when time ran out, and 4
where the service cannot be reached or refused.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import IO, Any

import click

from ..core import ingestion_prefix, printable
from ..naming import release
from . import display
from .db import db
from .idfile import gather
from .keys import keys
from .moments import MOMENT, moment
from .operations import OPERATIONS
from .options import priority_choice, status_choice, takes_ids, timeout_option
from .remote import Remote, outlasting, remote, say, service_options, wait_for
from .standalone import serve, worker
from .sweeps import UNDONE, asks, carry_out, sweep_filter, sweep_options, sweeps

_BATCHES = 20
"""Batches that `status` shows unless told otherwise."""

_GROUPS = 20
"""Groups that `failures` shows unless told otherwise."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(release(), prog_name="Flask-Ingestion")
@service_options
def ingestion(**_: str | None) -> None:
    """Submit ids, follow them, and control the queue."""


for command in (db, keys, serve, worker, sweeps, *OPERATIONS):
    ingestion.add_command(command)


@ingestion.command()
@takes_ids
@click.option("-p", "--priority", type=priority_choice, default="MEDIUM", show_default=True)
@click.option("--deadline", help="When it must be able to end: an RFC 3339 time, or seconds from now.")
@click.option("--callback", help="A URL that is told when it ends; the service has to allow its host.")
@click.option("--fresh", type=float, help="Seconds that an answer may be old, instead of FRESH; 0: ask anew.")
@click.option("--idempotency-key", help="Under one key, the same ids are accepted once, however often they are sent.")
@click.option("--wait", "and_wait", is_flag=True, help="Wait until it has ended.")
@timeout_option
@outlasting
def submit(
    to: Remote,
    ids: tuple[str, ...],
    file: IO[str] | None,
    id_type: str,
    priority: str,
    deadline: str | None,
    callback: str | None,
    fresh: float | None,
    idempotency_key: str | None,
    and_wait: bool,
    timeout: float | None,
) -> None:
    """Submit IDS, those of a file, or with - those from stdin; prints the ingestion's id."""
    if timeout is not None and not and_wait:
        raise click.UsageError("--timeout needs --wait.")
    found = gather(ids, file, id_type)
    try:
        ingestion_id = to.client.submit(
            found,
            priority,
            idempotency_key=idempotency_key,
            deadline=_deadline(deadline),
            callback=callback,
            fresh=fresh,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not and_wait:
        to.show({"ingestion_id": ingestion_id}, lambda document, _: str(document["ingestion_id"]))
        return
    if not to.as_json:
        click.echo(ingestion_id)
    wait_for(to, ingestion_id, timeout)


@ingestion.command()
@click.argument("ingestion_id")
@click.option("--limit", type=click.IntRange(0), help=f"Batches to show; {_BATCHES} unless --json, which shows all.")
@click.option("--offset", type=click.IntRange(0), default=0, help="The first batch to show.")
@click.option("--status", "only", type=status_choice, help="Only batches in this status.")
@remote
def status(to: Remote, ingestion_id: str, limit: int | None, offset: int, only: str | None) -> None:
    """Show an ingestion and its batches, or the one batch whose id is given.

    Of an ingestion's id, here as everywhere, its beginning is enough.
    """
    of_batch = ingestion_prefix(ingestion_id) is not None and only is None
    if limit is None and not to.as_json and not of_batch:
        limit = _BATCHES
    document = to.client.status(ingestion_id, limit=limit, offset=offset, status=only)
    queue = to.client.queue() if document["finished_at"] is None and not to.as_json else None
    to.show(document, partial(display.status_text, queue=queue))
    total = document["counts"][only] if only else document["batch_count"]
    left = total - offset - len(document["batches"])
    if left > 0 and not of_batch:
        say(f"{left} more batches; see --limit and --offset.")


@ingestion.command()
@click.argument("ingestion_id")
@timeout_option
@outlasting
def wait(to: Remote, ingestion_id: str, timeout: float | None) -> None:
    """Wait until an ingestion has ended."""
    wait_for(to, ingestion_id, timeout)


@ingestion.command()
@click.argument("ingestion_id")
@click.option("--failed", is_flag=True, help="Print the ids that failed too, each with its error.")
@outlasting
def results(to: Remote, ingestion_id: str, *, failed: bool) -> None:
    """Print what was returned for each id that was answered, as NDJSON."""
    for line in to.client.result_lines(ingestion_id, failed=failed):
        to.line(line)


@ingestion.command("list")
@click.option("--status", "wanted", type=status_choice)
@click.option("--priority", type=priority_choice)
@click.option("--owner", help="Only this caller's.")
@click.option("--with-failed", is_flag=True, help="Only those with failed batches, whatever their own status.")
@click.option("--since", help=f"Only what was submitted then or later: {MOMENT}.")
@click.option("--until", help=f"Only what was submitted then or earlier: {MOMENT}.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@remote
def list_(
    to: Remote,
    wanted: str | None,
    priority: str | None,
    owner: str | None,
    *,
    with_failed: bool,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List ingestions, newest first, with how many of their batches have ended."""
    times = {"since": moment("--since", since), "until": moment("--until", until)}
    pages = to.client.list(
        status=wanted, priority=priority, owner=owner, failed=with_failed, page=min(limit, 100), **times
    )
    found = list(itertools.islice(pages, limit))
    if not to.as_json:
        filtered = wanted or priority or owner is not None or with_failed or since or until
        say(display.LISTING_HEAD if found else "No such ingestion." if filtered else "No ingestion.")
    for document in found:
        to.show(document, display.listing_line)


@ingestion.command()
@click.option("--ids", "each", is_flag=True, help="Print every id that failed, with its error, as NDJSON.")
@click.option("--group", help="Only this group, by its id.")
@click.option("--priority", type=priority_choice)
@click.option("--owner", help="Only this caller's ingestions.")
@click.option("--since", help=f"Only what failed then or later: {MOMENT}.")
@click.option("--until", help=f"Only what failed then or earlier: {MOMENT}.")
@click.option("--limit", type=click.IntRange(1), help=f"Groups to show; {_GROUPS} if not given.")
@remote
def failures(to: Remote, *, each: bool, since: str | None, until: str | None, limit: int | None, **where: Any) -> None:
    """Show what failed over all ingestions, grouped by error."""
    if each and limit is not None:
        raise click.UsageError("--limit is for groups; --ids prints every id, of one group with --group.")
    times: dict[str, Any] = {"since": moment("--since", since), "until": moment("--until", until)}
    if each:
        for line in to.client.failed_id_lines(**where, **times):
            click.echo(line)
        return
    limit = limit or _GROUPS
    found = list(itertools.islice(to.client.failures(page=min(limit, 100), **where, **times), limit))
    if not found and not to.as_json:
        say("No failed batch.")
    for group in found:
        to.show(group, display.group_text)


@ingestion.command()
@click.argument("ingestion_id")
@click.option("--limit", type=click.IntRange(1, 1000), help="Batches to show; 50, or the one whose id is given.")
@click.option("--offset", type=click.IntRange(0), help="The first batch to show.")
@remote
def attempts(to: Remote, ingestion_id: str, limit: int | None, offset: int | None) -> None:
    """Show when each batch of an ingestion ran, and what it waited for: the latest ATTEMPTS_KEPT attempts."""
    to.show(to.client.attempts(ingestion_id, limit=limit, offset=offset), display.attempts_text)


@ingestion.command()
@click.argument("id_", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Places to show.")
@remote
def where(to: Remote, id_: str, limit: int) -> None:
    """Show which ingestions hold an id, in which batch, when it goes, and what it brought.

    Exits with 1 if it is found nowhere.
    """
    document = to.client.where(id_, limit=limit)
    to.show(document, display.search_text)
    if not document["found"]:
        raise click.exceptions.Exit(1)


@ingestion.command()
@click.argument("ingestion_id", required=False)
@sweep_options
@remote
def cancel(to: Remote, ingestion_id: str | None, *, dry_run: bool, yes: bool, **where: Any) -> None:
    """Cancel what has not started of an ingestion, or of all that match.

    It cannot be undone, so on a terminal it asks first.
    """
    if chosen := sweep_filter(ingestion_id, where, dry_run=dry_run):
        carry_out(to, "cancel", chosen, dry_run=dry_run, yes=yes)
        return
    wanted = str(ingestion_id)
    if asks(yes=yes):
        found = to.client.status(wanted, limit=0)
        wanted = found.ingestion_id
        click.confirm(printable(f"Cancel {wanted}: {display.progress(found)}?{UNDONE}"), abort=True, err=True)
    to.show(to.client.cancel(wanted), display.status_text)


@ingestion.command()
@click.argument("ingestion_id", required=False)
@sweep_options
@remote
def redrive(to: Remote, ingestion_id: str | None, *, dry_run: bool, yes: bool, **where: Any) -> None:
    """Start the failed batches over, of an ingestion or of all that match.

    For example: redrive --status failed --since 8h
    """
    if chosen := sweep_filter(ingestion_id, where, dry_run=dry_run):
        carry_out(to, "redrive", chosen, dry_run=dry_run, yes=yes)
    else:
        to.show(to.client.redrive(str(ingestion_id)), display.status_text)


@ingestion.command()
@click.argument("ingestion_id")
@click.argument("priority", type=priority_choice)
@remote
def move(to: Remote, ingestion_id: str, priority: str) -> None:
    """Move the waiting batches of an ingestion to another priority."""
    to.show(to.client.move(ingestion_id, priority), display.status_text)


@ingestion.command()
@click.argument("ingestion_id")
@remote
def redrive_callback(to: Remote, ingestion_id: str) -> None:
    """Send the callback of an ingestion's end again, if it failed or is pending."""
    to.show(to.client.redrive_callback(ingestion_id), display.status_text)


@ingestion.command()
@takes_ids
@remote
def quote(to: Remote, ids: tuple[str, ...], file: IO[str] | None, id_type: str) -> None:
    """Say when these ids would start and end at each priority; nothing is queued."""
    to.show(to.client.quote(gather(ids, file, id_type)), display.quote_text)


def _deadline(text: str | None) -> str | float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
