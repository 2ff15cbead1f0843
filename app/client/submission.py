"""What is submitted, and the key that makes it safe to submit it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import uuid4

from ..core import Id, Priority

Moment: TypeAlias = str | float | datetime
"""A time, as text by RFC 3339 or as a datetime with its offset; or seconds from now, ago where it is past."""


@dataclass(frozen=True)
class Submission:
    """Ids to submit at a priority. However often one is submitted, its ids are accepted once.

    `deadline` is a time, by RFC 3339 or as a datetime with its offset, or seconds from now, `callback` a URL that
    the end is sent to, `fresh` seconds that count instead of the service's FRESH. Raises ValueError for an idempotency
    key that no header can carry, and for a text in place of a list of ids.
    """

    ids: Iterable[Id]
    priority: Priority | str
    idempotency_key: str = field(default_factory=lambda: str(uuid4()))
    deadline: Moment | None = None
    callback: str | None = None
    fresh: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.ids, str | bytes):
            raise ValueError(f"ids are a list of ids, not {self.ids!r:.60}: put a single id into a list.")
        object.__setattr__(self, "ids", tuple(self.ids))  # an iterator would be empty the second time
        key_header(self.idempotency_key)

    @classmethod
    def of(cls, ids: Iterable[Id], priority: Priority | str, idempotency_key: str | None = None, **more: Any) -> Self:
        """Returns a submission with this key, or a random one where it is None."""
        if idempotency_key is not None:
            more["idempotency_key"] = idempotency_key
        return cls(ids, priority, **more)

    @property
    def headers(self) -> dict[str, str]:
        return key_header(self.idempotency_key)

    @property
    def body(self) -> bytes:
        members: dict[str, Any] = {"ids": self.ids, "priority": name_of(self.priority)}
        more = {"deadline": as_sent(self.deadline), "callback": self.callback, "fresh": self.fresh}
        members |= {name: value for name, value in more.items() if value is not None}
        return json.dumps(members, separators=(",", ":")).encode()


def key_header(key: str) -> dict[str, str]:
    """Returns the header that an idempotency key is sent in. Raises ValueError for one that no header can carry."""
    if not 0 < len(key) <= 255 or not key.isprintable() or not key.isascii() or '"' in key or "\\" in key:
        raise ValueError("An idempotency key is 1 to 255 printable ASCII characters without quotes or backslashes.")
    return {"Idempotency-Key": f'"{key}"'}


def as_sent(moment: Moment | None) -> str | float | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment


def name_of(priority: Priority | str) -> str:
    return priority.name if isinstance(priority, Priority) else priority
