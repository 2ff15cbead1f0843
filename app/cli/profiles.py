"""The file that says where services are and as whom to call them: a TOML table for each, with `url` and `key`."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from ..client import Client

MEMBERS = ("url", "key")


class Profile(NamedTuple):
    """What the file says of one service; None where it says nothing."""

    url: str | None = None
    key: str | None = None


def profile_file() -> Path:
    """Returns where the file is: in `$XDG_CONFIG_HOME` where that is absolute, else in `~/.config`."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return (folder if folder.is_absolute() else Path("~/.config").expanduser()) / "flask-ingestion.toml"


def read_profile(name: str) -> Profile:
    """Returns the profile of this name. Raises UsageError, which names the file and the key that is wrong."""
    file = profile_file()
    profiles = _read(file)
    if _exposed(file) and any("key" in one for one in profiles.values() if isinstance(one, dict)):
        click.echo(f"Warning: {file} holds a key, and others on this machine can read it: chmod 600 {file}", err=True)
    if name not in profiles:
        found = ", ".join(map(repr, profiles)) or "none"
        raise click.UsageError(f"There is no profile {name!r} in {file}; it has {found}.")
    profile = profiles[name]
    if not isinstance(profile, dict):
        raise click.UsageError(f"{file}: {name} must be a table, [{name}], with {' and '.join(MEMBERS)}.")
    for key, value in profile.items():
        if key not in MEMBERS:
            raise click.UsageError(f"{file}: {name}.{key} means nothing; a profile has {' and '.join(MEMBERS)}.")
        # A key is never repeated, not even one that is wrong.
        if not isinstance(value, str) or not value.strip():
            raise click.UsageError(f"{file}: {name}.{key} must be text, and not empty.")
        try:
            # The client says what is wrong with it.
            Client(value) if key == "url" else Client(key=value)
        except ValueError as error:
            raise click.UsageError(f"{file}: {name}.{key} is wrong: {error}") from None
    return Profile(**profile)


def complete_profile(context: click.Context, option: click.Parameter, text: str) -> list[CompletionItem]:  # noqa: ARG001
    """Returns the profiles whose names begin with `text`, for a shell; none where the file cannot be read."""
    try:
        return [CompletionItem(name) for name in _read(profile_file()) if name.startswith(text)]
    except click.UsageError:
        return []


def _exposed(file: Path) -> bool:
    return os.name == "posix" and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise click.UsageError(f"There is no {file}; make it, with a table [name] for each profile.") from None
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{file} is not UTF-8 text.") from None
    except tomllib.TOMLDecodeError as error:
        raise click.UsageError(f"{file} is not TOML: {error}.") from None
