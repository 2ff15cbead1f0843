"""Reads ids from text: files, pipes and arguments."""

from __future__ import annotations

from array import array
from collections.abc import Iterable


def read_ids(lines: Iterable[str], name: str) -> array[int]:
    """Returns the ids in lines of text, one a line or separated by commas or spaces.

    Raises ValueError, which names the line in `name` of the first word that is not an id.
    """
    ids = array("q")
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            _append(ids, line, f"{name}, line {number}")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text somewhere after line {number}.") from None
    return ids


def parse_ids(words: Iterable[str]) -> array[int]:
    """Returns the ids in arguments, some of which may be lists separated by commas. Raises ValueError."""
    ids = array("q")
    for word in words:
        _append(ids, word, "the arguments")
    return ids


def _append(ids: array[int], text: str, where: str) -> None:
    for word in text.replace(",", " ").split():
        try:
            if not word.isascii() or "_" in word:
                raise ValueError
            ids.append(int(word))
        except (ValueError, OverflowError):
            raise ValueError(f"In {where}, {word!r:.40} is not an id: a whole number of up to 64 bits.") from None
