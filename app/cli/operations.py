"""The verbs for those who operate the queue: look at it, steer it, and prove what it kept."""

from __future__ import annotations

import sys
from functools import partial
from typing import IO

import click

from ..limits import parse_limits
from ..web import dispatch_document
from . import display
from .options import every_option, pausable
from .queue_text import concurrency_text, queue_text, rate_text
from .remote import Remote, fail, remote
from .verify import checked, log_of, read, verify
from .watch import keep_showing


@click.command()
@pausable
@remote
def pause(to: Remote, priority: str | None, owner: str | None) -> None:
    """Start nothing until resumed, or nothing of a priority or a caller; submissions are still accepted."""
    to.show(to.client.pause(priority=priority, owner=owner), queue_text)


@click.command()
@pausable
@remote
def resume(to: Remote, priority: str | None, owner: str | None) -> None:
    """End a pause of the queue, or that of a priority or a caller."""
    to.show(to.client.resume(priority=priority, owner=owner), queue_text)


@click.command("end-hold")
@remote
def end_hold(to: Remote) -> None:
    """End a hold that the upstream asked for."""
    to.show(to.client.end_hold(), queue_text)


@click.command()
@click.option("--interval", type=click.FloatRange(0), help="Seconds from start to start.")
@click.option("--burst", type=click.IntRange(1), help="Tokens saved up at most.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=LIMIT", help="Such as 10/s=5/s, for one of LIMITS.")
@click.option("--reset", is_flag=True, help="Go back to what is configured.")
@remote
def rate(to: Remote, interval: float | None, burst: int | None, limits: tuple[str, ...], *, reset: bool) -> None:
    """Change the rate, for all processes and until it is changed again; without an option, say what it is.

    What is not given is as configured.
    """
    changes = interval is not None or burst is not None or bool(limits)
    if reset and changes:
        raise click.UsageError("--reset goes back to what is configured; give it alone.")
    if reset:
        queue = to.client.reset_rate()
    elif changes:
        named = dict(one.partition("=")[::2] for one in limits)
        queue = to.client.change_rate(interval=interval, burst=burst, limits=named or None)
    else:
        queue = to.client.queue()
    to.show(queue, lambda queue, _: rate_text(queue))


@click.command()
@click.argument("count", type=click.IntRange(1), required=False)
@click.option("--worker", metavar="WORKER", help="Only this one: its id, the beginning of it, or a host.")
@click.option("--reset", is_flag=True, help="Go back to what is configured.")
@remote
def concurrency(to: Remote, count: int | None, worker: str | None, *, reset: bool) -> None:
    """Have each process run COUNT batches at once, until it is changed again; without COUNT, say how many."""
    if reset and count is not None:
        raise click.UsageError("--reset goes back to what is configured; give it without COUNT.")
    if worker is not None and count is None and not reset:
        raise click.UsageError("--worker needs COUNT or --reset; without both, concurrency says how many all may run.")
    if reset:
        queue = to.client.reset_concurrency(worker=worker)
    elif count is not None:
        queue = to.client.change_concurrency(count, worker=worker)
    else:
        queue = to.client.queue()
    to.show(queue, lambda queue, _: concurrency_text(queue))


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@remote
def audit(to: Remote, limit: int) -> None:
    """Say who did what, newest first."""
    to.show(to.client.audit(limit=limit), display.audit_text)


@click.command()
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@every_option
@remote
def queue(to: Remote, *, watch: bool, every: float) -> None:
    """Show what waits, what it waits for, and what goes next."""
    if watch:
        keep_showing(to, to.client.queue, queue_text, every)
    else:
        to.show(to.client.queue(), queue_text)


@click.command()
@every_option
@partial(remote, patience=5.0)  # It polls by itself, and tells whoever watches why nothing moves.
def top(to: Remote, every: float) -> None:
    """Show the queue and its ingestions live, with keys to pause, to end a hold and to open an ingestion."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top needs a terminal; queue --watch does not.")
    try:
        from .top import Top
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is not installed: pip install 'Flask-Ingestion[tui]'; queue --watch needs no more than this."
        ) from None
    Top(to.client, every, in_full=to.in_full).run()


@click.command("verify")
@click.argument("file", type=click.File(encoding="utf-8"), required=False)
@click.option("--interval", type=click.FloatRange(0), help="Seconds from start to start, not those that the log says.")
@click.option("--burst", type=click.IntRange(1), help="Starts saved up at most, not what the log says.")
@click.option("--limits", help="Further limits, as LIMITS takes them, not those of the log.")
@click.option(
    "--grace", type=click.FloatRange(0), default=0.0, help="Seconds after which a batch that is due counts as waiting."
)
@remote
def verify_(
    to: Remote, file: IO[str] | None, interval: float | None, burst: int | None, limits: str | None, grace: float
) -> None:
    """Prove that the latest dispatches, or those in a file of them, kept the rate, the order, the share of each
    caller (with FAIR) and the place of each rider (with FILL).

    The log says which rate that is, unless it is a bare list; what an option names is proved instead.
    """
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
    proof = {"dispatches": len(log.dispatches), **limit, "checked": checked(log), "violations": found}
    to.show(proof, lambda proof, _: display.proof_text(proof))
    if violations:
        raise click.exceptions.Exit(1)


OPERATIONS = (pause, resume, end_hold, rate, concurrency, audit, queue, top, verify_)
