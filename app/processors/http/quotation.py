"""What of an upstream's words a message repeats."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from html import unescape
from urllib.parse import unquote

_MOST = 200
"""Characters."""

_READ = 16_384
"""Characters that are looked at. Much more than are shown, so that no secret is cut off before it is recognised."""

_SHORTEST = 6
"""Characters of what is kept secret at least; shorter words are no keys, and may stand anywhere."""

_BETWEEN = re.compile(r"""[\s,;:="'<>(){}\[\]&?|@]+""")

_KEY = 16
"""Characters from which on letters alone are taken for a key."""

_SCHEMES = frozenset({"basic", "bearer", "token"})
"""Words before a key that are none (RFC 9110, section 11.1)."""

_TOKEN = re.compile(r"[^\\%&+]+|\\+u[0-9a-f]{4}|\\+|(?:%[0-9a-f]{2})+|&#?\w{1,8};|.", re.IGNORECASE | re.DOTALL)
"""Plain text, or what stands for characters in JSON, in a URL or a form, and in HTML."""

_LAYERS = 4
"""How many of them may be wrapped in each other."""


class Quotation:
    """Makes one short line of what an upstream says, without the secrets that it may echo."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Each of `secrets` is masked, and each word of it: of `Token token="key"`, the key is one by itself, and so
        are user and password of basic authentication (RFC 7617). Case and encoding make no difference.
        """
        words = {word for secret in secrets for word in _words(secret) if len(word) >= _SHORTEST}
        found = sorted({_Read(word).text for word in words} - {""}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(_pattern, found)), re.IGNORECASE) if found else None

    def __call__(self, text: str) -> str:
        text = " ".join(self.masked(text[:_READ]).split())
        return text[:_MOST] + ("…" if len(text) > _MOST else "")

    def masked(self, text: str) -> str:
        """Returns all of a text, its secrets masked."""
        if self._secrets is None:
            return text
        read, shown, end = _Read(text), "", 0
        for found in self._secrets.finditer(read.text):
            shown += text[end : read.starts[found.start()]] + "***"
            end = read.ends[found.end() - 1]
        return shown + text[end:]


class _Read:
    """A text as a reader would decode it; for each character, where what stands for it starts and ends."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts, self.ends = list(range(len(text))), list(range(1, len(text) + 1))
        for _ in range(_LAYERS):
            before = self.text
            self._decode()
            if self.text == before:
                break

    def _decode(self) -> None:
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        for token in _TOKEN.finditer(self.text):
            first, last = token.span()
            parts.append(part := _plain(token[0]))
            if len(part) == last - first:
                starts += self.starts[first:last]
                ends += self.ends[first:last]
            else:
                starts += self.starts[first : first + 1] * len(part)
                ends += self.ends[last - 1 : last] * len(part)
        self.text, self.starts, self.ends = "".join(parts), starts, ends


def _pattern(word: str) -> str:
    """Returns what finds a secret anywhere, but what may be a word of a language as a whole word only."""
    plain = len(word) < _KEY and word.isalpha()
    return rf"(?<!\w){re.escape(word)}(?!\w)" if plain else re.escape(word)


def _words(secret: str) -> Iterator[str]:
    yield secret
    scheme, _, code = secret.partition(" ")
    yield from _BETWEEN.split(code if scheme.lower() in _SCHEMES else secret)
    if scheme.lower() == "basic":
        try:
            yield from b64decode(code).decode().split(":", 1)
        except ValueError:
            return


def _plain(token: str) -> str:
    """Returns the characters that a token stands for. A backslash by itself is none: it belongs to the next."""
    if token[0] == "\\":
        return chr(int(token[-4:], 16)) if len(token) > token.count("\\") else ""
    if token[0] == "%":
        return unquote(token)
    return unescape(token) if token[0] == "&" else token.replace("+", " ")
