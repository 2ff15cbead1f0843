"""Reads the JSON of a request.

A long list of ids is parsed in pieces, because json.loads blocks the interpreter until it returns: 70 ms for a million
integers and 100 ms for as many UUIDs, in which every other request waits.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from flask import abort
from werkzeug.exceptions import UnsupportedMediaType

from ..config import Settings
from ..core import SUBMISSION_MEMBERS, Ids, Strings, are_ids, shown, to_lines
from ..errors import Fault, InvalidRequest
from .request import current

LARGE = 65_536
"""Characters from which on a body is parsed in pieces."""

_PIECE = 32_768
_IDS = re.compile(r'"ids"\s*:\s*\[')
_COMMA = {"integer": re.compile(","), "string": re.compile(r'"\s*,')}


class MalformedJSON(InvalidRequest):
    """The body is not JSON as RFC 8259 defines it."""

    def __init__(self, detail: str) -> None:
        super().__init__([Fault("#", detail)])


class Encoded(UnsupportedMediaType):
    """The body is in a content coding; the answer says which it may be in (RFC 9110, section 15.5.16)."""

    def get_headers(self, *args: Any, **keywords: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*args, **keywords), ("Accept-Encoding", "identity")]


def read_body(settings: Settings) -> Any:
    """Returns the current request's JSON, once its size and media type are right. Raises MalformedJSON and Encoded."""
    this = current()
    this.max_content_length = settings.max_body
    kind = this.mimetype
    if kind != "application/json" and not kind.endswith("+json"):
        abort(415, f"Send application/json, not {kind or 'a body without a Content-Type'}.")
    try:
        return parse_request(this.get_data(cache=False), settings)
    except MalformedJSON:
        coding = this.headers.get("Content-Encoding", "identity")
        if coding.lower() == "identity":
            raise
        raise Encoded(f"Send the body as it is, not in the Content-Encoding {shown(coding)}.") from None


def parse_request(body: bytes, settings: Settings) -> Any:
    """Returns the JSON document in `body`; a long list of acceptable ids as an array.

    Raises MalformedJSON, also for what json accepts but RFC 8259 rules out or leaves open: NaN, duplicate members.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJSON(f"The body is not UTF-8: byte {error.start} is {body[error.start]:#04x}.") from None
    if len(text) >= LARGE and (parts := split_ids(text, settings)):
        with suppress(MalformedJSON):
            document = _parse(parts[0])
            if isinstance(document, dict) and document.get("ids") == [] and document.keys() <= set(SUBMISSION_MEMBERS):
                document["ids"] = parts[1]
                return document
    return _parse(text)


def split_ids(text: str, settings: Settings) -> tuple[str, Ids] | None:
    """Returns the JSON text with its list of ids emptied, and the ids, packed.

    None where there is no flat list of acceptable ids: then the whole document is needed to say what is wrong.
    """
    start = _IDS.search(text)
    # No other member of a submission is a list, but a string id may hold a bracket.
    end = text.rfind("]") if start else -1
    if start is None or end < start.end():
        return None
    try:
        ids = _pack(_pieces(text, start.end(), end, settings), settings)
    except ValueError:
        return None
    if not ids or len(ids) > settings.max_ids:
        return None
    return text[: start.end()] + text[end:], ids


def _pack(pieces: Iterator[list[Any]], settings: Settings) -> Ids:
    if settings.id_type == "string":
        return Strings(b"".join(map(to_lines, pieces)))
    ids = array("q")
    for piece in pieces:
        ids.extend(piece)
    return ids


def _pieces(text: str, at: int, end: int, settings: Settings) -> Iterator[list[Any]]:
    """Yields the ids between two places, some at a time. Raises ValueError for anything else there.

    Strings are parted at a quote before a comma. Where these are inside of one, the piece ends in an open string, and
    so is no JSON.
    """
    comma = _COMMA[settings.id_type]
    while at <= end:
        found = comma.search(text, at + _PIECE, end)
        until = found.end() - 1 if found else end
        try:
            ids = json.loads(f"[{text[at:until]}]")
        except RecursionError as error:
            raise ValueError from error
        if not are_ids(ids, settings):
            raise ValueError
        yield ids
        at = until + 1


def _parse(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise MalformedJSON("The body starts with a byte order mark (BOM), which JSON over a network must not.")
    try:
        return _decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedJSON(f"The body is not JSON: {error.msg} at {where}.") from None
    except RecursionError:
        raise MalformedJSON("The body is nested too deeply.") from None
    except MalformedJSON:
        raise
    except ValueError:
        raise MalformedJSON("The body holds a number with too many digits.") from None


def _refuse_constant(name: str) -> Any:
    raise MalformedJSON(f"The body is not JSON: it holds {name}.")


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedJSON(f"The member {shown(twice)} is there more than once.")
    return members


_decode = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique_members).decode
