"""The command line: `flask ingestion …` beside an app, `flask-ingestion …` by itself.

Both speak to a service over HTTP. Data goes to stdout, messages go to stderr. The exit code is 0 where all is fine, 1
where the ingestion failed or was cancelled (or a proof did not hold), 2 for wrong usage, 3 when time ran out, and 4
where the service cannot be reached or refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import IO, Any

import click

from ..config import release
from ..core import Id, Priority, Status, ingestion_prefix
from ..limits import parse_limits
from ..web import dispatch_document
from . import display
from .db import db
from .idfile import READERS, parse_ids, read_ids
from .keys import keys
from .moments import MOMENT, moment
from .remote import Remote, fail, remote, say, service_options, wait_for
from .standalone import serve, worker
from .sweeps import carry_out, sweep_filter, sweep_options
from .verify import log_of, read, verify
from .watch import keep_showing

_BATCHES = 20
"""Batches that `status` shows unless told otherwise."""


ids_to_submit = click.argument("ids", nargs=-1)
file_of_ids = click.option(
    "-f", "--file", type=click.File(encoding="utf-8-sig"), help="A file of ids, one a line; integers also with commas."
)
type_of_ids = click.option(
    "--id-type",
    type=click.Choice(list(READERS)),
    envvar="INGEST_ID_TYPE",
    default="integer",
    show_default=True,
    show_envvar=True,
    help="As the service has it: with string, each line and each argument is one id.",
)
deadline_option = click.option("--deadline", help="When it must be able to end: an RFC 3339 time, or seconds from now.")
priority_choice = click.Choice([priority.name for priority in Priority], case_sensitive=False)
every_option = click.option(
    "--every", type=click.FloatRange(0.1), default=2.0, show_default=True, help="Seconds between two looks."
)
status_choice = click.Choice([status.value for status in Status])
timeout_option = click.option("--timeout", type=click.FloatRange(0), help="Seconds to wait at most.")


def pausable(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name what is paused or resumed."""
    priority = click.option("--priority", type=priority_choice, help="Only this priority.")
    owner = click.option("--owner", help="Only this caller.")
    return priority(owner(command))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(release(), prog_name="Flask-Ingestion")
@service_options
def ingestion(**_: str | None) -> None:
    """Submit ids, follow them, and control the queue."""


ingestion.add_command(db)
ingestion.add_command(keys)
ingestion.add_command(serve)
ingestion.add_command(worker)


@ingestion.command()
@ids_to_submit
@file_of_ids
@type_of_ids
@click.option("-p", "--priority", type=priority_choice, default="MEDIUM", show_default=True)
@deadline_option
@click.option("--callback", help="A URL that is told when it ends; the service has to allow its host.")
@click.option("--fresh", type=float, help="Seconds that an answer may be old at most, instead of FRESH; 0: ask anew.")
@click.option("--idempotency-key", help="Under one key, the same ids are accepted once, however often they are sent.")
@click.option("--wait", "and_wait", is_flag=True, help="Wait until it has ended.")
@timeout_option
@remote
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
    found = _gather(ids, file, id_type)
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
    to.show(document, display.status_text)
    total = document["counts"][only] if only else document["batch_count"]
    left = total - offset - len(document["batches"])
    if left > 0 and not of_batch:
        say(f"{left} more batches; see --limit and --offset.")


@ingestion.command()
@click.argument("ingestion_id")
@timeout_option
@remote
def wait(to: Remote, ingestion_id: str, timeout: float | None) -> None:
    """Wait until an ingestion has ended."""
    wait_for(to, ingestion_id, timeout)


@ingestion.command()
@click.argument("ingestion_id")
@click.option("--failed", is_flag=True, help="Print the ids that failed too, each with its error.")
@remote
def results(to: Remote, ingestion_id: str, *, failed: bool) -> None:
    """Print what was returned for each id that was answered, as NDJSON."""
    for line in to.client.result_lines(ingestion_id, failed=failed):
        click.echo(line)


@ingestion.command("list")
@click.option("--status", "wanted", type=status_choice)
@click.option("--priority", type=priority_choice)
@click.option("--with-failed", is_flag=True, help="Only those with failed batches, whatever their own status.")
@click.option("--since", help=f"Only what was submitted then or later: {MOMENT}.")
@click.option("--until", help=f"Only what was submitted then or earlier: {MOMENT}.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@remote
def list_(
    to: Remote,
    wanted: str | None,
    priority: str | None,
    *,
    with_failed: bool,
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List ingestions, newest first, with how many of their batches have ended."""
    times = {"since": moment("--since", since), "until": moment("--until", until)}
    pages = to.client.list(status=wanted, priority=priority, failed=with_failed, page=min(limit, 100), **times)
    found = list(itertools.islice(pages, limit))
    if not to.as_json:
        filtered = wanted or priority or with_failed or since or until
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
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Groups to show.")
@remote
def failures(to: Remote, *, each: bool, since: str | None, until: str | None, limit: int, **where: str | None) -> None:
    """Show what failed over all ingestions, grouped by error."""
    times = {"since": moment("--since", since), "until": moment("--until", until)}
    if each:
        for line in to.client.failed_id_lines(**where, **times):
            click.echo(line)
        return
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
    """Cancel what has not started of an ingestion, or of all that match."""
    if chosen := sweep_filter(ingestion_id, where, dry_run=dry_run):
        carry_out(to, "cancel", chosen, dry_run=dry_run, yes=yes)
    else:
        to.show(to.client.cancel(str(ingestion_id)), display.status_text)


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
    """Have what waits of an ingestion go at another priority."""
    to.show(to.client.move(ingestion_id, priority), display.status_text)


@ingestion.command()
@click.argument("ingestion_id")
@remote
def redrive_callback(to: Remote, ingestion_id: str) -> None:
    """Tell the receiver of an ingestion's end again, if that failed or waits."""
    to.show(to.client.redrive_callback(ingestion_id), display.status_text)


@ingestion.command()
@ids_to_submit
@file_of_ids
@type_of_ids
@deadline_option
@remote
def quote(to: Remote, ids: tuple[str, ...], file: IO[str] | None, id_type: str, deadline: str | None) -> None:
    """Say when these ids would start and end at each priority; nothing is queued."""
    to.show(to.client.quote(_gather(ids, file, id_type), deadline=_deadline(deadline)), display.quote_text)


@ingestion.command()
@pausable
@remote
def pause(to: Remote, priority: str | None, owner: str | None) -> None:
    """Start nothing until resumed, or nothing of a priority or a caller; submissions are still accepted."""
    to.show(to.client.pause(priority=priority, owner=owner), display.queue_text)


@ingestion.command()
@pausable
@remote
def resume(to: Remote, priority: str | None, owner: str | None) -> None:
    """End a pause of the queue, or that of a priority or a caller."""
    to.show(to.client.resume(priority=priority, owner=owner), display.queue_text)


@ingestion.command("end-hold")
@remote
def end_hold(to: Remote) -> None:
    """End a hold that the upstream asked for."""
    to.show(to.client.end_hold(), display.queue_text)


@ingestion.command()
@click.option("--interval", type=click.FloatRange(0), help="Seconds from start to start.")
@click.option("--burst", type=click.IntRange(1), help="Tokens saved up at most.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=LIMIT", help="Such as 10/s=5/s, for one of LIMITS.")
@click.option("--reset", is_flag=True, help="Go back to what is configured.")
@remote
def rate(to: Remote, interval: float | None, burst: int | None, limits: tuple[str, ...], *, reset: bool) -> None:
    """Change the rate, for all processes and until it is changed again; without an option, say what it is."""
    if reset:
        to.show(to.client.reset_rate(), lambda queue, _: display.rate_text(queue))
        return
    named = dict(one.partition("=")[::2] for one in limits)
    if interval is None and burst is None and not named:
        to.show(to.client.queue(), lambda queue, _: display.rate_text(queue))
        return
    to.show(
        to.client.change_rate(interval=interval, burst=burst, limits=named or None),
        lambda queue, _: display.rate_text(queue),
    )


@ingestion.command()
@click.argument("count", type=click.IntRange(1), required=False)
@click.option("--worker", metavar="WORKER", help="Only this one: its id, the beginning of it, or a host.")
@click.option("--reset", is_flag=True, help="Go back to what is configured.")
@remote
def concurrency(to: Remote, count: int | None, worker: str | None, *, reset: bool) -> None:
    """Have each process run COUNT batches at once, until it is changed again; without COUNT, say how many."""
    if reset:
        queue = to.client.reset_concurrency(worker=worker)
    elif count is not None:
        queue = to.client.change_concurrency(count, worker=worker)
    else:
        queue = to.client.queue()
    to.show(queue, lambda queue, _: display.concurrency_text(queue))


@ingestion.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@remote
def audit(to: Remote, limit: int) -> None:
    """Say who did what, newest first."""
    to.show(to.client.audit(limit=limit), display.audit_text)


@ingestion.command()
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@every_option
@remote
def queue(to: Remote, *, watch: bool, every: float) -> None:
    """Show what waits, what it waits for, and what goes next."""
    if watch:
        keep_showing(to, to.client.queue, display.queue_text, every)
    else:
        to.show(to.client.queue(), display.queue_text)


@ingestion.command()
@every_option
@remote
def top(to: Remote, every: float) -> None:
    """Show the queue and its ingestions live, with keys to pause, to end a hold and to open an ingestion."""
    try:
        from .top import Top
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'Flask-Ingestion[tui]'; queue --watch needs no more than this."
        ) from None
    Top(to.client, every, in_full=to.in_full).run()


@ingestion.command("verify")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--interval", type=click.FloatRange(0), help="Seconds from start to start, where the log does not say.")
@click.option("--burst", type=click.IntRange(1), help="Starts saved up at most, where the log does not say.")
@click.option("--limits", help="Further limits, as LIMITS takes them, where the log does not say.")
@click.option(
    "--grace", type=click.FloatRange(0), default=0.0, help="Seconds after which a batch that is due counts as waiting."
)
@remote
def verify_(
    to: Remote, file: IO[str] | None, interval: float | None, burst: int | None, limits: str | None, grace: float
) -> None:
    """Prove that the latest dispatches, or those in a file of them, kept the rate, the order and callers' shares."""
    try:
        further = None if limits is None else parse_limits(limits)
    except ValueError as error:
        raise click.UsageError(f"--limits must be {parse_limits.__doc__}; {error}.") from None
    try:
        log = log_of(to.client.dispatches()) if file is None else read(file.read())
    except ValueError as error:
        fail(str(error), 4 if file is None else 2)
    further = log.limits if further is None else further
    interval = log.interval if interval is None else interval
    burst = log.burst if burst is None else burst
    if interval is None or burst is None:
        raise click.UsageError("This log does not say what limit it was made under; give --interval and --burst.")
    how = {"grace": grace, "since": log.since, "order_since": log.order_since}
    violations = verify(log.dispatches, interval=interval, burst=burst, limits=further, fair=log.fair, **how)
    found = [
        {**one._asdict(), "earlier": dispatch_document(one.earlier), "later": dispatch_document(one.later)}
        for one in violations
    ]
    limit = {"interval": interval, "burst": burst, "limits": [one.name for one in further]}
    proof = {"dispatches": len(log.dispatches), **limit, "violations": found}
    to.show(proof, lambda proof, _: display.proof_text(proof))
    if violations:
        raise click.exceptions.Exit(1)


def _gather(words: tuple[str, ...], file: IO[str] | None, id_type: str) -> list[Id]:
    """Returns the ids from arguments, files and stdin."""
    reader = READERS[id_type]
    try:
        ids = parse_ids((word for word in words if word != "-"), reader)
        if file:
            ids.extend(read_ids(file, getattr(file, "name", "stdin"), reader))
        if "-" in words:
            ids.extend(read_ids(click.open_file("-", encoding="utf-8-sig"), "stdin", reader))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not ids:
        raise click.UsageError("Give ids as arguments, with -f FILE, or - to read them from stdin; there are none.")
    return ids


def _deadline(text: str | None) -> str | float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
