"""A JSON object with typed attributes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from ..core import Priority

Read = Callable[[Any], Any]
"""Takes a member as it was sent, and returns the attribute. Raises ValueError, KeyError or TypeError."""


class Document(dict[str, Any]):
    """The object that the service sent, as a dict; its subclasses, frozen dataclasses, have the members they know as
    attributes too, with times as datetimes and words as enumerations.

    Where a member may be missing, the attribute has a default. Raises ValueError, which names the member that is
    missing and may not be, or is of another type.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        attributes = self.__dict__
        name = ""
        try:
            for name, read, default in _attributes(type(self)):
                if name in members:
                    attributes[name] = read(members[name])
                elif default is MISSING:
                    raise Unlike(f"{name} is missing")
                else:
                    attributes[name] = default
        except Unlike:
            raise
        except (ValueError, KeyError, TypeError):
            raise Unlike(f"{name} is {self[name]!r:.60}") from None

    @property
    def extra(self) -> dict[str, Any]:
        """The members that have no attribute, such as those of a newer service."""
        known = {name for name, _, _ in _attributes(type(self))}
        return {name: member for name, member in self.items() if name not in known}


class Unlike(ValueError):
    """A member is missing or of another type."""


@functools.cache
def _attributes(kind: Any) -> list[tuple[str, Read, Any]]:
    """Returns the name of each attribute of a kind of document, how it is read, and its default."""
    types = get_type_hints(kind)
    return [(one.name, _reader(types[one.name]), one.default) for one in fields(kind)]


def _reader(kind: Any) -> Read:
    """Returns how an attribute of this type is read."""
    if kind is Any:
        return _same
    if kind is datetime:
        return datetime.fromisoformat
    if kind is Priority:
        return Priority.__getitem__
    if get_origin(kind) is tuple:
        return _items(_reader(get_args(kind)[0]))
    if get_origin(kind) is UnionType:
        present = [one for one in get_args(kind) if one is not NoneType]
        read = _reader(present[0]) if len(present) == 1 else _scalar(*present)
        return _or_null(read) if NoneType in get_args(kind) else read
    if kind in (str, int, bool):
        return _scalar(kind)
    return _scalar(int, float) if kind is float else kind


def _same(member: Any) -> Any:
    return member


def _scalar(*kinds: type) -> Read:
    def read(member: Any) -> Any:
        if type(member) not in kinds:
            raise TypeError
        return member

    return read


def _items(read_one: Read) -> Read:
    def read(members: Any) -> Any:
        if type(members) is not list:
            raise TypeError
        return tuple(map(read_one, members))

    return read


def _or_null(read_one: Read) -> Read:
    def read(member: Any) -> Any:
        return None if member is None else read_one(member)

    return read
