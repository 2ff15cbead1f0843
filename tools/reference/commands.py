"""The page of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from app.cli import ingestion

from .markdown import code, table

HEAD = """# Command line

`flask-ingestion`, or `flask ingestion` beside an app of your own. Data goes to stdout, messages go to stderr. The exit
code is 0 where all is fine, 1 where the ingestion failed or was cancelled (or a proof did not hold), 2 for wrong usage,
3 when time ran out, and 4 where the service cannot be reached or refuses.
"""


def commands() -> str:
    return "\n".join([HEAD, *_command("flask-ingestion", ingestion)]).rstrip() + "\n"


def _command(name: str, command: click.Command) -> Iterator[str]:
    """Yields what there is to say of a command and of those below it."""
    if isinstance(command, click.Group):
        for below in sorted(command.commands):
            yield from _command(f"{name} {below}", command.commands[below])
        return
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    usage = " ".join([name, "[OPTIONS]", *(_argument(one) for one in arguments)])
    yield from (f"## {name}", "", *code("text", usage), "", cleandoc(command.help or ""), "")
    options = [one for one in command.params if isinstance(one, click.Option)]
    if options:
        yield from (*table(("option", "takes", "default", "meaning"), *map(_option, options)), "")


def _argument(argument: click.Argument) -> str:
    name = (argument.name or "").upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> tuple[str, str, str, str]:
    """Returns an option's names, type, default and meaning; of what click itself says only the parts."""
    if isinstance(option.type, click.Choice):
        takes = ", ".join(f"`{choice}`" for choice in option.type.choices)
    else:
        takes = "" if option.is_flag else option.type.name.removesuffix(" range")
    default = f"`{option.default}`" if option.show_default and option.default is not None else ""
    read_from = f"Read from `{option.envvar}` too." if option.show_envvar and option.envvar else ""
    about = " ".join(filter(None, [option.help, read_from]))
    return ", ".join(f"`{one}`" for one in option.opts), takes, default, about
