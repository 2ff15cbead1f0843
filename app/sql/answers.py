"""What is known of each id of a batch, as stored: JSON, with an error as its type and message."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import case

from ..core import Answer, Answers, BatchError
from .schema import batches

PARTIAL = case((batches.c.left.is_not(None), batches.c.results))
"""The answers of a batch that asks some of its ids, null of any other."""

STARTS = case((batches.c.alone, batches.c.left), else_=1)
"""How many starts a batch in line needs."""


def packed(answers: Sequence[Answer]) -> str | None:
    return json.dumps([[*one] if isinstance(one, BatchError) else one for one in answers]) if answers else None


def unpacked(text: str | None) -> tuple[Answer, ...]:
    return tuple(BatchError(*one) if isinstance(one, list) else one for one in json.loads(text or "[]"))


def answers_of(size: int, text: str | None, alone: bool | None) -> Answers:
    """Returns the answers of a batch, whose PARTIAL is `text`."""
    return Answers(size, unpacked(text) if text else (), bool(alone))


def error_columns(error: BatchError | None) -> list[str | None]:
    """Returns the type and the message of a batch's error as stored."""
    return [clean(error.type), clean(error.message)] if error else [None, None]


def clean(text: str) -> str:
    """Returns the text in a form that every database accepts: without NUL and lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
