"""The ids of ingestions and batches: how one leads to the other, and what an abbreviation stands for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

_NODE = 1 << 48


@functools.lru_cache(1024)  # A poll asks for the same again: 2 % of a status request.
def batch_id(ingestion_id: str, position: int) -> str:
    """Returns the UUID of an ingestion's batch, derived so that it needs no storage.

    A version 8 UUID (RFC 9562, section 5.8): the ingestion's random bits, with `position` + 1 added to the last 48.
    """
    number = (int(ingestion_id[24:], 16) + 1 + position) % _NODE
    return f"{ingestion_id[:14]}8{ingestion_id[15:24]}{number:012x}"


def batch_id_parts(ingestion_id: str) -> tuple[str, Callable[[Sequence[int]], Sequence[int]]]:
    """Returns the common prefix of all batch ids, and a function from positions to the 48-bit numbers they end in."""
    last = int(ingestion_id[24:], 16) + 1

    def numbers(positions: Sequence[int]) -> Sequence[int]:
        if isinstance(positions, range) and last + positions.stop <= _NODE:
            return range(last + positions.start, last + positions.stop)
        return [(last + position) % _NODE for position in positions]

    return f"{ingestion_id[:14]}8{ingestion_id[15:24]}", numbers


_PARTS = re.compile("(.{8})(.{4})(.{4})(.{4})(.{12})")
_PREFIX = re.compile("[0-9a-f]{1,32}")


def id_prefix(text: str) -> str | None:
    """Returns the beginning of an id in the usual form, whatever its case and dashes; None if it cannot be one."""
    digits = text.strip().lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        return None
    dashes = sum(len(digits) > place for place in (8, 12, 16, 20))
    return _dashed(digits.ljust(32))[: len(digits) + dashes]


def id_range(prefix: str) -> tuple[str, str]:
    """Returns the least and the greatest id that begin with a prefix.

    Both are whole ids, because a database may compare dashes with letters in its own way, but not at equal places.
    """
    digits = prefix.replace("-", "")
    return _dashed(digits.ljust(32, "0")), _dashed(digits.ljust(32, "f"))


def ingestion_prefix(text: str) -> str | None:
    """Returns how the id of a batch's ingestion begins; None if `text` is not the whole id of a batch."""
    if len(text) != 36 or text[14] != "8":
        return None
    return f"{text[:14]}4{text[15:24]}"


def batch_position(ingestion_id: str, batch_id: str) -> int:
    """Returns the position of a batch, given its id and its ingestion's."""
    return (int(batch_id[24:], 16) - int(ingestion_id[24:], 16) - 1) % _NODE


def _dashed(digits: str) -> str:
    return _PARTS.sub(r"\1-\2-\3-\4-\5", digits)
