"""API keys: who calls, and what it may do. Only a key's SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, NamedTuple


class Role(IntEnum):
    """What a key may do; each role includes those before it."""

    READ = 1
    """Look at the caller's ingestions and the state of the queue."""
    SUBMIT = 2
    """Submit, and cancel what the caller submitted."""
    OPERATE = 3
    """Everything, on everybody's ingestions."""


class Key(NamedTuple):
    """One key: `name` is the caller it belongs to, `digest` the SHA-256 of the key itself.

    A caller may have several keys: an old and a new one during rotation, or another that may only read.
    """

    name: str
    role: Role
    digest: bytes

    def __str__(self) -> str:
        return f"{self.name}:{self.role.name.lower()}:{self.digest.hex()}"


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def new_key(name: str, role: Role) -> tuple[str, Key]:
    """Returns a new random key of 256 bits as text, and the Key to keep. Raises ValueError for an unusable name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a key's name is 1 to 64 of A-Z, a-z, 0-9, _, . and -, not {name!r}")
    text = secrets.token_urlsafe(32)
    return text, Key(name, role, _digest(text))


def parse_keys(value: Any) -> tuple[Key, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, Iterable):
        raise ValueError("it is neither text nor a list")
    keys: list[Key] = []
    for number, entry in enumerate(value, 1):
        key = entry if isinstance(entry, Key) else _parse(entry, number)
        if any(key.digest == other.digest for other in keys):
            raise ValueError(f"entry {number} is the same key as an entry before it")
        keys.append(key)
    return tuple(keys)


parse_keys.__doc__ = "keys as name:role:sha256, separated by commas (flask ingestion keys new makes one)"


def _parse(entry: Any, number: int) -> Key:
    # A faulty entry may be a key pasted here by mistake, so no part of it is quoted.
    name, _, rest = str(entry).strip().partition(":")
    role, _, digest = rest.partition(":")
    if not _NAME.fullmatch(name):
        raise ValueError(f"entry {number} does not start with a name (1 to 64 of A-Z, a-z, 0-9, _, . and -)")
    if role.upper() not in Role.__members__:
        raise ValueError(f"the role of entry {number} is none of read, submit and operate")
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"entry {number} does not end with a SHA-256 in 64 hexadecimal digits")
    return Key(name, Role[role.upper()], bytes.fromhex(digest))


def find_key(keys: Iterable[Key], text: str) -> Key | None:
    """Returns the key with this text. Compares every digest in constant time, so that timing reveals nothing."""
    digest, found = _digest(text), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
