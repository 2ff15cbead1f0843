"""How the errors about a request are worded: who was asked for what, what came of it, how the body begins."""

from __future__ import annotations

from http.client import BadStatusLine, IncompleteRead, RemoteDisconnected
from typing import NamedTuple
from urllib.parse import urlsplit

from urllib3.exceptions import DecodeError, HTTPError

from .quotation import Quotation

EXCERPT = 16_384
"""Bytes of a body that are looked at."""

_LONGEST_PATH = 500
"""Characters of a path that are repeated: it may hold many ids, and what follows must not be cut off."""


class Wording(NamedTuple):
    """Makes the sentences of all errors about one request."""

    name: str
    asked: str
    """The method, the path, and what the request is about."""

    quoted: Quotation

    def __call__(self, what: str, more: str = "", body: bytes | bytearray = b"") -> str:
        """Returns a sentence: the upstream did `what` (a verb), the request, `more`, and how the body begins."""
        text = self.quoted(body[:EXCERPT].decode(errors="replace"))
        return f"{self.name} {what} {self.asked}{more}" + (f": {text}" if text else ".")


def wording_of(name: str, method: str, url: str, about: str, quoted: Quotation) -> Wording:
    """Returns the wording of the errors about a request; `name` is what they call the upstream."""
    # The query is left out, for it may hold a key; a redirect may repeat one in its path.
    path = quoted.masked(urlsplit(url).path) or "/"
    path = path[:_LONGEST_PATH] + ("…" if len(path) > _LONGEST_PATH else "")
    return Wording(name, f"{method} {path}{about}", quoted)


def reason_of(error: HTTPError) -> str:
    """Returns why there is no answer: the innermost of the errors that urllib3 and Python wrap in each other."""
    if isinstance(error, DecodeError):
        return "its content is not encoded as it says"
    inner = error.__cause__ or next((one for one in error.args if isinstance(one, Exception)), error)
    if isinstance(inner, RemoteDisconnected):
        return "it closed the connection"
    if isinstance(inner, BadStatusLine):
        return f"it does not speak HTTP: {inner}"
    if isinstance(inner, IncompleteRead):
        return "it closed the connection in the middle"
    return inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
