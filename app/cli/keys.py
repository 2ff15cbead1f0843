"""`flask ingestion keys`: making API keys."""

from __future__ import annotations

import click

from ..keys import Role, new_key


@click.group()
def keys() -> None:
    """Make API keys."""


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.name.lower() for role in Role]),
    default="submit",
    show_default=True,
    help="What the key may do: read its caller's ingestions; submit and cancel too; or operate, everything.",
)
def new(name: str, role: str) -> None:
    """Make a key for the caller NAME.

    The key is printed on stdout, once, and kept nowhere. The line for the service's settings goes to stderr.
    """
    try:
        text, key = new_key(name, Role[role.upper()])
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="NAME") from None
    click.echo(text)
    click.echo(f"This key is not shown again. Add it to INGEST_API_KEYS:\n{key}", err=True)
