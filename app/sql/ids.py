"""Ids as stored: integers 8 bytes each, least significant first; strings as lines."""

from __future__ import annotations

import sys
from array import array

from sqlalchemy import ColumnElement, Integer, cast, func

from ..core import Ids, Strings
from .contents import ids

_BYTES = 8


def pack(packed: Ids) -> bytes:
    return packed.lines if isinstance(packed, Strings) else _little(packed).tobytes()


def unpack(stored: bytes) -> array[int]:
    return _little(array("q", stored))


def slice_of(first: ColumnElement[int], count: ColumnElement[int]) -> ColumnElement[bytes]:
    """Returns the packed integers of an ingestion from the one numbered `first`, `count` of them, as an expression."""
    return func.substr(ids.c.ids, cast(first * _BYTES + 1, Integer), cast(count * _BYTES, Integer))


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers
