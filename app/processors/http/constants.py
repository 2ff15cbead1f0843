"""The values in templates that come from no id, and so may be a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

BREAK = "\0"
"""Stands in a template's own text where something is printed."""

_STRING = r'"((?:[^"\\]|\\.)*)"'


def of_query(text: str) -> Iterator[str]:
    """Yields the values in the query of a template's own text."""
    for part in re.split(rf"[&#{BREAK}]", text.partition("?")[2]):
        name, equals, value = part.partition("=")
        for read in (unquote, unquote_plus):
            yield read(value if equals else name)


def of_body(text: str) -> Iterator[str]:
    """Yields the strings in a body's own text, and what stands between, without the names of members."""
    text = re.sub(rf"{_STRING}\s*:", " ", text)
    yield from re.findall(_STRING, text)
    yield from text.split(BREAK)
