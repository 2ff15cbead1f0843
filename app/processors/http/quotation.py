"""What of an upstream's words a message repeats."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable

_MOST = 200
"""Characters."""

_SHORTEST = 6
"""Characters of what is kept secret at least; shorter words are no keys, and are anywhere."""


class Quotation:
    """Makes one short line of what an upstream says, without the secrets that it may echo."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """`secrets` are values of headers; of `Bearer key` and the like, the key is one by itself, and so are user and
        password of basic authentication (RFC 7617), either of which may be a key.
        """
        words = {word for secret in secrets for word in (secret, secret.rpartition(" ")[2], *_basic(secret))}
        self._secrets = sorted((word for word in words if len(word) >= _SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text[:_MOST] + ("…" if len(text) > _MOST else "")


def _basic(secret: str) -> Iterable[str]:
    """Returns user and password of a header's value, where it holds them."""
    scheme, _, code = secret.partition(" ")
    if scheme.lower() != "basic":
        return ()
    try:
        return b64decode(code).decode().split(":", 1)
    except ValueError:
        return ()
