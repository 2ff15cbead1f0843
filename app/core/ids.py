"""Ids, of either type, and how those of an ingestion are packed."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from typing import TypeAlias, overload

from .characters import unprintable_in

Id: TypeAlias = int | str

LONGEST_ID = 200
"""Characters of a string id at most."""

_PIECE = 65_536
"""Bytes of lines looked at together; each piece has several lines at least."""


class Strings(Sequence[str]):
    """String ids, with those methods of `array`, which packs integers, that are used; immutable.

    Beside the ids in UTF-8 it takes 9 bytes for each: a line feed after it, and where it begins. A slice shares these
    with the whole.
    """

    __slots__ = ("_lines", "_span", "_starts")

    def __init__(self, lines: bytes) -> None:
        """`lines` are the ids in UTF-8, each followed by a line feed, which no id holds."""
        starts, at = array("q", [0]), 0
        while at < len(lines):
            # In pieces, so that other threads get their turn.
            until = lines.rindex(b"\n", at, at + _PIECE) + 1
            starts.extend(accumulate(map(len, lines[at:until].splitlines(keepends=True)), initial=starts.pop()))
            at = until
        self._lines = lines
        self._starts = starts
        self._span = range(len(starts) - 1)

    @classmethod
    def of(cls, ids: Iterable[str]) -> Strings:
        return cls(to_lines(ids))

    @property
    def lines(self) -> bytes:
        """What makes an equal sequence again."""
        return self._lines[self._starts[self._span.start] : self._starts[self._span.stop]]

    def tolist(self) -> list[str]:
        return self.lines.decode().split("\n")[:-1]

    def __len__(self) -> int:
        return len(self._span)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tolist())

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> Strings: ...

    def __getitem__(self, at: int | slice) -> str | Strings:
        if isinstance(at, int):
            nth = self._span[at]
            return self._lines[self._starts[nth] : self._starts[nth + 1] - 1].decode()
        span = self._span[at]
        if span.step != 1:
            raise ValueError("A slice of strings takes no step.")
        part = Strings.__new__(Strings)
        part._lines, part._starts, part._span = self._lines, self._starts, span
        return part

    def index(self, value: str, start: int = 0, stop: int | None = None) -> int:
        """Returns the first place of an id from `start` on, before `stop`. Raises ValueError if it is not there."""
        span = self._span[start:stop]
        at, end, line = self._starts[span.start], self._starts[span.stop], f"{value}\n".encode()
        if not self._lines.startswith(line, at, end):
            before = self._lines.find(b"\n" + line, at, end)
            if before < 0:
                raise ValueError(f"{value!r} is not in it")
            at = before + 1
        return bisect_left(self._starts, at) - self._span.start

    def __eq__(self, other: object) -> bool:
        return self.lines == other.lines if isinstance(other, Strings) else NotImplemented

    def __sizeof__(self) -> int:
        return super().__sizeof__() + sys.getsizeof(self._lines) + sys.getsizeof(self._starts)


Ids: TypeAlias = "array[int] | Strings"
"""All ids of an ingestion are of one type."""


def ids_at(ids: Ids, positions: Sequence[int], batch_size: int, first: int = 0) -> Ids:
    """Returns the ids of the batches at some positions; `first` is the position of the batch that `ids` begins with."""
    if isinstance(positions, range):
        return ids[(positions.start - first) * batch_size : (positions.stop - first) * batch_size]
    starts = [(position - first) * batch_size for position in positions]
    if isinstance(ids, Strings):
        return Strings(b"".join([ids[start : start + batch_size].lines for start in starts]))
    return array("q", chain.from_iterable(ids[start : start + batch_size] for start in starts))


def to_lines(ids: Iterable[str]) -> bytes:
    """Returns string ids as `Strings` takes them."""
    return "".join([f"{one}\n" for one in ids]).encode()


def string_fault(text: str) -> str | None:
    """Returns what keeps a string from being an id, as the rest of a sentence about it; None if nothing does."""
    if not 0 < len(text) <= LONGEST_ID:
        return f"must have 1 to {LONGEST_ID} characters, not {len(text)}."
    if (at := unprintable_in(text)) is not None:
        return f"must be printable, but its character {at + 1} is U+{ord(text[at]):04X}."
    if text[0] == " " or text[-1] == " ":
        return "must not begin or end with a blank."
    return None
