"""Reading a long list of ids piece by piece, so that a large request does not hold up the small ones.

json.loads keeps the interpreter to itself until it is done, 70 ms for a million ids.
"""

from __future__ import annotations

import json
import re
from array import array
from typing import Any

from .config import Settings

LARGE = 65_536
"""Characters from which a body is worth it."""

_PIECE = 32_768
_START = re.compile(r'"ids"\s*:\s*\[')


def split(text: str, settings: Settings) -> tuple[str, array[int]] | None:
    """The JSON text with its list of ids emptied, and the ids packed.

    None where there is no flat list of acceptable ids: then it takes the whole document to say what is wrong.
    """
    start = _START.search(text)
    end = text.find("]", start.end()) if start else -1
    if start is None or end < 0:
        return None
    ids = array("q")
    at = start.end()
    while at < end:
        comma = text.find(",", at + _PIECE, end)
        until = end if comma < 0 else comma
        piece = _piece(text[at:until], settings)
        if piece is None:
            return None
        ids.extend(piece)
        at = until + 1
    # A comma at the very end is for the whole document's parser to refuse.
    if not ids or at == end or len(ids) > settings.max_ids:
        return None
    return text[: start.end()] + text[end:], ids


def _piece(text: str, settings: Settings) -> list[int] | None:
    try:
        ids: list[Any] = json.loads(f"[{text}]")
    except (ValueError, RecursionError):
        return None
    if set(map(type, ids)) != {int} or min(ids) < settings.id_min or max(ids) > settings.id_max:
        return None
    return ids
