"""One setting: how it is declared, and how its key is found in a config and its value read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import ConfigError
from .spelling import is_of_another, meant

_OF_CLIENTS = ("INGEST_URL", "INGEST_KEY", "INGEST_PROFILE")
"""Keys that no queue reads, but the clients and the command line."""

Fields = Iterable["dataclasses.Field[Any]"]
"""The declared settings. Each is the key `<PREFIX><FIELD>`."""


def setting(
    default: Any, parse: Callable[[Any], Any], about: str, *, secret: bool = False, explains: bool = False
) -> Any:
    """Returns the field of a dataclass that declares a setting.

    No message shows the value of a `secret` one. `explains` says that messages repeat the errors of its parser.
    """
    told = {"parse": parse, "about": about, "secret": secret, "explains": secret or explains}
    return dataclasses.field(default=default, repr=not secret, metadata=told)


def values_in(declared: Fields, config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Returns the values in `config` by the names of their fields.

    Raises ConfigError for the first wrong key, and for one that looks like a misspelled setting.
    """
    fields = {field.name.upper(): field for field in declared}
    found: dict[str, Any] = {}
    for key in config:
        name = key.removeprefix(prefix)
        if name == key:
            continue
        if field := fields.get(name):
            found[field.name] = _value(key, config[key], field.metadata)
        elif near := meant(name, fields):
            raise ConfigError(f"{key} is not a setting; did you mean {prefix}{near}?")
    return found


def unread(declared: Fields, config: Mapping[str, Any], prefix: str) -> list[str]:
    """Returns the keys with this prefix that nothing reads, in alphabetical order.

    Those that look like settings of another instance are left out: its name may begin like that of this one.
    """
    fields = [field.name.upper() for field in declared]
    unknown = []
    for key in config:
        name = key.removeprefix(prefix)
        is_read = name in fields or key in _OF_CLIENTS or any(is_of_another(name, field) for field in fields)
        if name != key and not is_read:
            unknown.append(key)
    return sorted(unknown)


def _value(key: str, value: Any, metadata: Mapping[str, Any]) -> Any:
    parse = metadata["parse"]
    try:
        return parse(value)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        what = "" if metadata["secret"] else f", not {value!r}"
        why = f"; {error}" if metadata["explains"] and str(error) else ""
        raise ConfigError(f"{key} must be {parse.__doc__}{what}{why}.") from None
