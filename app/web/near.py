"""Which path one that is not there may be meant for."""

from __future__ import annotations

from difflib import SequenceMatcher

from .openapi import ROUTES

_LONGEST = 200
"""Characters of a path that is compared: the time that takes grows with their square."""

_ALIKE = 0.75
"""How much of each word must be the same, from 0 to 1."""


def near(path: str) -> str | None:
    """Returns the path of the API that is spelt almost like this, with the ids that it has; None if there is none."""
    parts = path.rstrip("/").split("/")
    if len(path) > _LONGEST:
        return None
    likenesses = {filled: likeness for route in ROUTES for filled, likeness in [_filled(route.path.split("/"), parts)]}
    found = max(likenesses, key=likenesses.__getitem__)
    return found if likenesses[found] >= _ALIKE else None


def _filled(words: list[str], parts: list[str]) -> tuple[str, float]:
    """Returns the path of a route with the ids of another, and how alike they are in the word that is least alike."""
    if len(words) != len(parts):
        return "", 0.0
    filled = [part if word.startswith("{") else word for word, part in zip(words, parts, strict=True)]
    return "/".join(filled), min(SequenceMatcher(None, *pair).ratio() for pair in zip(filled, parts, strict=True))
