"""Reads ids from text: files, pipes and arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeAlias

import click

from ..core import Id, string_fault
from ..values import INT64_MAX, INT64_MIN

Reader: TypeAlias = Callable[[str, str], Iterator[Id]]
"""Takes a line or an argument, and where it was found; yields the ids in it. Raises ValueError, which names the place
of what is not an id."""


def integers(text: str, where: str) -> Iterator[int]:
    """Yields integers that are separated by commas or spaces."""
    for word in text.replace(",", " ").split():
        try:
            if not word.isascii() or "_" in word or not INT64_MIN <= (number := int(word)) <= INT64_MAX:
                raise ValueError
        except ValueError:
            raise ValueError(
                f"In {where}, {word!r:.40} is not an id: a whole number of up to 64 bits, unless --id-type is string."
            ) from None
        yield number


def string(text: str, where: str) -> Iterator[str]:
    """Yields the text itself, which may hold commas and spaces, without the blanks around it."""
    if word := text.strip():
        if fault := string_fault(word):
            raise ValueError(f"In {where}, {word!r:.40} is not an id: it {fault}")
        yield word


READERS: dict[str, Reader] = {"integer": integers, "string": string}
"""By the type of the ids, as ID_TYPE has it."""


def read_ids(lines: Iterable[str], name: str, reader: Reader) -> list[Id]:
    """Returns the ids in the lines of `name`. Raises ValueError, which names the first line that is wrong."""
    ids: list[Id] = []
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            ids.extend(reader(line, f"{name}, line {number}"))
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text somewhere after line {number}.") from None
    return ids


def parse_ids(words: Iterable[str], reader: Reader) -> list[Id]:
    """Returns the ids in arguments. Raises ValueError."""
    return [one for word in words for one in reader(word, "the arguments")]


def gather(words: tuple[str, ...], file: IO[str] | None, id_type: str) -> list[Id]:
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
