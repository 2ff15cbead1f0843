"""The page of the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from inspect import cleandoc

import click

from app.cli import ingestion

from .markdown import code, table

HEAD = """# Command line

`flask-ingestion`, or `flask ingestion` beside an app of your own. Data goes to stdout, messages go to stderr. The exit
code is 0 where all is fine, 1 where the ingestion failed or was cancelled (or a proof did not hold), 2 for wrong usage,
3 when time ran out, and 4 where the service cannot be reached or refuses.

## Common options

Every command that calls a service takes these.
"""
SHARED = "It also takes the [common options](#common-options)."
_COLUMNS = "option", "takes", "default", "meaning"

Row = tuple[str, str, str, str]


def commands() -> str:
    known = dict(_commands("flask-ingestion", ingestion))
    counts = Counter(row for command in known.values() for row in _rows(command))
    shared = [row for row, count in counts.items() if count > len(known) / 2]
    parts = (line for name, command in known.items() for line in _command(name, command, shared))
    return "\n".join([HEAD, *table(_COLUMNS, *shared), "", *parts]).rstrip() + "\n"


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yields a command, or those below it, each with its whole name."""
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _commands(f"{name} {below}", command.commands[below])
    else:
        yield name, command


def _command(name: str, command: click.Command, shared: list[Row]) -> Iterator[str]:
    """Yields what there is to say of a command."""
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    usage = " ".join([name, "[OPTIONS]", *(_argument(one) for one in arguments)])
    yield from (f"## {name}", "", *code("text", usage), "", cleandoc(command.help or ""), "")
    rows = _rows(command)
    if own := [row for row in rows if row not in shared]:
        yield from (*table(_COLUMNS, *own), "")
    if len(own) < len(rows):
        yield from (SHARED, "")


def _rows(command: click.Command) -> list[Row]:
    return [_option(one) for one in command.params if isinstance(one, click.Option)]


def _argument(argument: click.Argument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> Row:
    """Returns an option's names, type, default and meaning; of what click itself says only the parts."""
    if isinstance(option.type, click.Choice):
        takes = ", ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        takes = "" if option.is_flag else option.type.name.removesuffix(" range")
    default = f"`{option.default}`" if option.show_default and option.default is not None else ""
    read_from = f"Read from `{option.envvar}` too." if option.show_envvar and option.envvar else ""
    about = " ".join(filter(None, [option.help, read_from]))
    return ", ".join(f"`{one}`" for one in option.opts), takes, default, about
