"""An error's message without what differs from one occurrence to the next, nor anything that could be a secret."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Callable
from re import Match

from .quoting import printable

MASK = "…"
"""What stands for whatever was there."""

_LONGEST = 300
"""Characters of a masked message at most."""

_NAMED = (
    r"(?i)\b((?:proxy-)?authorization|bearer|basic|cookie"
    r"|[\w-]{0,40}(?:api[-_ ]?key|token|secret|passw(?:or)?d|signature))\b"
)

_REQUEST = r"(?<=\w )(GET|POST|PUT|PATCH|DELETE) /\S*?(?: for id \S+?)?(?=[:.]?(?:\s|$))"

_STEPS: tuple[tuple[re.Pattern[str], str | Callable[[Match[str]], str]], ...] = (
    # The ids that a request of the HTTP upstream is about, which may be words; errors of others may begin with one.
    (re.compile(_REQUEST), rf"\1 /{MASK}"),
    # https://user:password@host, which may stand in any text.
    (re.compile(r"(?<=//)[^/\s@]{1,200}@"), f"{MASK}@"),
    (re.compile(r"(?<=[^\s?])\?[^\s\"'<>)\]}]+"), f"?{MASK}"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"), MASK),
    # What follows a name that says it: `token=abc`, "password": "abc", Authorization: Bearer abc.
    (re.compile(_NAMED + r"""(["']?\s{0,3}[:=]\s{0,3}|\s{1,3})(?:"[^"]*"|'[^']*'|(?:bearer|basic)\s+\S+|[^\s,;]+)"""),
     rf"\1\2{MASK}"),
    # A status of HTTP tells one error from another.
    (re.compile(r"(?i)\b(HTTP(?:/[\d.]+)?|status|code|answered(?: with)?)([ :=]{1,3})([1-5])(\d\d)\b"),
     lambda found: f"{found[1]}{found[2]}{_kept(found[3] + found[4])}"),
    # A quoted word is a name or an id, a quoted sentence says what is wrong.
    (re.compile(r"""(?<!\w)(["'`])((?:(?!\1).){1,400})\1"""),
     lambda found: found[0] if " " in found[2] else f"{found[1]}{MASK}{found[1]}"),
    (re.compile(r"\b(?=[^\s/:,;=()\[\]{}<>\"']*\d)[^\s/:,;=()\[\]{}<>\"'" + "\ue000-\ue009" + r"]+"), MASK),
    (re.compile(r"\b[0-9a-fA-F]{8,}\b|[A-Za-z0-9+/_-]{24,}={0,2}"), MASK),
    (re.compile(f"{MASK}(?:[-.:,]?{MASK})+"), MASK),
)  # fmt: skip


_DIGITS = re.compile(r"(?<!\w)([1-5]\d\d)(?!\w)|\d+")
"""All digits; those of what may be a status of HTTP as a group."""


def masked(message: str) -> str:
    """Returns a message in which ids, numbers, addresses and secrets are masked, so that like errors read alike."""
    # Whatever the digits of a word are, it is masked; so messages that differ in numbers only are looked at once.
    return _masked(_DIGITS.sub(lambda found: found[1] or "0", message))


@functools.lru_cache(4096)
def _masked(message: str) -> str:
    text = printable(_without_private(message))
    for pattern, by in _STEPS:
        text = pattern.sub(by, text)
    text = text.translate(_SHOWN)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}{MASK}"


_SHOWN = {0xE000 + int(digit): digit for digit in string.digits}


def _kept(digits: str) -> str:
    """Returns digits as characters for private use, so that the steps that follow leave them."""
    return "".join(chr(0xE000 + int(digit)) for digit in digits)


def _without_private(text: str) -> str:
    return text.translate(dict.fromkeys(_SHOWN, MASK))
