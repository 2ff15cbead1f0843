"""How a command calls a service: its options, exit codes and waits."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from shutil import get_terminal_size
from typing import Any, NamedTuple, NoReturn

import click
from click.core import ParameterSource

from ..client import Client, ClientError, Refused, TimedOut, Unreachable
from ..core import Status, plural, printable, shown
from . import display
from .address import ALONE, presumed
from .profiles import Profile, complete_profile, profile_file, read_profile
from .times import Times


class Remote(NamedTuple):
    """The service that a command calls, and how to show its answers."""

    client: Client
    as_json: bool
    in_full: bool

    @property
    def times(self) -> Times:
        """What writes times as of now."""
        return Times.local(in_full=self.in_full)

    def words(self, document: Any, text: Callable[[Any, Times], str]) -> str:
        """Returns a document of the service's as `text` writes it; nothing in it can steer the terminal."""
        return text(_harmless(document), self.times)

    def line(self, text: str) -> None:
        """Write a line of the service's as it is, but to a terminal so that it cannot steer it."""
        click.echo(printable(text) if sys.stdout.isatty() else text)

    def show(self, document: Any, text: Callable[[Any, Times], str]) -> None:
        click.echo(json.dumps(document) if self.as_json else self.words(document, text))


def _harmless(value: Any) -> Any:
    """Returns JSON with each of its texts printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(name): _harmless(member) for name, member in value.items()}
    return [_harmless(one) for one in value] if isinstance(value, (list, tuple)) else value


def say(message: str) -> None:
    """Write a message, which may repeat what a service said, to stderr; stdout holds nothing but data."""
    click.echo("\n".join(map(printable, message.split("\n"))), err=True)


def fail(message: str, code: int) -> NoReturn:
    """Exit with a message and a code."""
    say(f"Error: {message}")
    raise click.exceptions.Exit(code)


def _as_before_the_verb(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Returns an option's value: what was given after the verb, else what was given before it."""
    name, group = option.name or "", context.parent
    given = ParameterSource.COMMANDLINE
    if group and group.get_parameter_source(name) is given and context.get_parameter_source(name) is not given:
        return group.params[name]
    return value


def service_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which service to call, as whom; a group and its verbs both take them."""
    url = click.option(
        "--url",
        envvar="INGEST_URL",
        show_envvar=True,
        help=f"Where the service is; {ALONE} if not given, or under `flask` where `flask run` serves the app.",
        callback=_as_before_the_verb,
    )
    key = click.option(
        "--key",
        envvar="INGEST_KEY",
        show_envvar=True,
        help="The API key. Prefer INGEST_KEY: ps shows options.",
        callback=_as_before_the_verb,
    )
    queue = click.option(
        "--queue", help="Which queue, where the service has several (INGEST_QUEUES).", callback=_as_before_the_verb
    )
    profile = click.option(
        "--profile",
        envvar="INGEST_PROFILE",
        show_envvar=True,
        help=f"A table of {profile_file().name} with the url and key of a service.",
        callback=_as_before_the_verb,
        shell_complete=complete_profile,
    )
    return url(queue(key(profile(function))))


def _reach(url: str | None, key: str | None, profile: str | None) -> tuple[str | None, str | None]:
    """Returns the URL and the key to use: those given, else the profile's, whose key goes to its own URL alone."""
    chosen = read_profile(profile) if profile else Profile()
    if key is None and chosen.key and url and chosen.url and url.rstrip("/") != chosen.url.rstrip("/"):
        say(f"The key of profile {profile!r} is for {chosen.url}, and is not sent to {url}.")
        return url, None
    return url or chosen.url, chosen.key if key is None else key


def remote(function: Callable[..., None], *, patience: float = 10.0) -> Callable[..., None]:
    """Add a service's options to a verb, and turn its errors into exit codes; `patience` is the option's default."""

    @service_options
    @click.option(
        "--patience",
        default=patience,
        show_default=True,
        type=click.FloatRange(0),
        help="Seconds to keep trying while the service is away, or says later.",
    )
    @click.option("--retries", type=click.IntRange(0), help="Retries at most, as long as patience lasts.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("--utc", "in_full", is_flag=True, help="Print times in full, in UTC, not how long ago or how soon.")
    @functools.wraps(function)
    def run(
        url: str | None,
        queue: str | None,
        key: str | None,
        profile: str | None,
        patience: float,
        retries: int | None,
        as_json: bool,
        in_full: bool,
        **values: Any,
    ) -> None:
        context = click.get_current_context()
        _refuse_bytes(values)
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            context.color = False
        url, key = _reach(url, key, profile)
        url, why = (f"{url.rstrip('/')}/{queue}" if queue else url, "") if url else presumed(context, queue)
        try:
            client = Client(url, key=key, patience=patience, retries=retries, notice=say)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        with _exit_codes(why):
            function(Remote(client, as_json, in_full), **values)

    return run


@contextmanager
def _exit_codes(why: str) -> Iterator[None]:
    """Say what a client raises, and exit; `why` is what to say of the address where nothing answers."""
    try:
        yield
    except TimedOut as error:
        fail(str(error), 3)
    except Refused as error:
        faults = [f"  {fault.get('detail')}" for fault in error.errors] if len(error.errors) > 1 else []
        hint = ["Give a key with --key, in INGEST_KEY, or in a profile."] if error.status == 401 else []
        if queues := error.problem.get("queues"):
            hint = [f"This service has several queues; name one with --queue: {', '.join(queues)}."]
        fail("\n".join([error.detail, *faults, *hint]), 4)
    except Unreachable as error:
        fail("\n".join([str(error), why]).strip(), 4)
    except ClientError as error:
        fail(str(error), 4)
    except KeyboardInterrupt:
        fail("Interrupted; whatever was accepted continues.", 130)


outlasting = functools.partial(remote, patience=60.0)
"""As `remote`, for verbs that scripts use: they outlast a restart of the service. At the others somebody waits."""


def _refuse_bytes(values: Mapping[str, Any]) -> None:
    """Raise UsageError for an argument or an option that is not UTF-8, which no request can hold."""
    for value in values.values():
        for text in value if isinstance(value, tuple) else (value,):
            # Python has what it cannot decode as surrogates.
            if isinstance(text, str) and any("\ud800" <= one <= "\udfff" for one in text):
                raise click.UsageError(f"{shown(text)} is not UTF-8.")


def wait_for(to: Remote, ingestion_id: str, timeout: float | None) -> None:
    """Wait until an ingestion has ended, with a progress bar on a terminal; exit with 1 unless it is completed."""
    bar: Any = None
    latest: dict[str, Any] = {}

    def show(status: dict[str, Any]) -> None:
        nonlocal bar
        latest.clear()
        latest.update(status)
        if bar is None:
            # Off a terminal the label is all there is; on one, the rest of the line takes up to 68 columns.
            whole = f"{plural(status['batch_count'], 'batch')} of {ingestion_id}"
            bar = click.progressbar(
                length=status["batch_count"],
                label=ingestion_id[:8] if sys.stderr.isatty() else whole,
                width=max(4, min(36, get_terminal_size().columns - 68)),
                show_eta=False,
                item_show_func=lambda _: display.ending(latest, to.times),
                update_min_steps=0,
                file=sys.stderr,
            )
            ends.enter_context(bar)
        bar.update(max(0, display.finished(status) - bar.pos))

    try:
        with ExitStack() as ends:
            to.client.wait(ingestion_id, timeout=timeout, progress=show)
    finally:
        if to.as_json and latest:
            click.echo(json.dumps(latest))
    say(f"{latest['status']}: {display.progress(latest)}")
    if latest["status"] != Status.COMPLETED:
        if latest["counts"]["failed"]:
            _say_why(to, ingestion_id)
        raise click.exceptions.Exit(1)


def _say_why(to: Remote, ingestion_id: str) -> None:
    """Say what the first of the failed batches ended with, if that can still be asked."""
    with suppress(ClientError):
        for batch in to.client.status(ingestion_id, limit=1, status=Status.FAILED).batches:
            if batch.error:
                say(printable(f"  {batch.batch_id}  {batch.error.type}: {batch.error.message}"))
