"""What need not be asked: ids whose answers are fresh, and ids that another batch is asking."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..config import Settings
from .answers import Answers
from .ids import Id, Ids

MOST_SERVED = 1000
"""Batches served in one step at most, so that nobody waits long for it."""

_SOME = 100
"""Batches looked at together."""

Asker: TypeAlias = tuple[int, int]
"""A batch in process: its ingestion's order, and its position."""


class Mark(NamedTuple):
    """A moment between two submissions: the time in epoch seconds, and how many ingestions had been accepted."""

    at: float
    accepted: int


_NEVER = Mark(-math.inf, 0)


class Known(NamedTuple):
    """What a store knows of an id: its latest answer as JSON text, when that came, and the batch that asks it now."""

    text: str | None = None
    mark: Mark = _NEVER
    asker: Asker | None = None

    def fresh(self, since: Mark) -> str | None:
        """Returns the answer if it came after `since`, else None."""
        return self.text if self.mark > since else None


class Need(NamedTuple):
    """What a batch needs: its answers with those that are fresh, the ids served by that, and the batch it awaits."""

    answers: Answers
    served: Sequence[Id] = ()
    awaits: Asker | None = None


def scope_of(settings: Settings, owner: str | None) -> str:
    """Returns whose answers are shared with an owner's ingestions: those of the same scope."""
    return "" if settings.fresh_shared or owner is None else f"={owner}"


def since_of(settings: Settings, fresh: float | None, created_at: float) -> float | None:
    """Returns the time after which an answer must have come to serve an ingestion; None where none does.

    `fresh` is what its submission says, None for FRESH.
    """
    if settings.fresh is None:
        return None
    return created_at - (settings.fresh if fresh is None else fresh)


def mark_of(since: float | None, order: int) -> Mark | None:
    """Returns the mark after which an answer must have come to serve an ingestion; None where none does.

    Of the answers at the very time of `since`, those count that came after its submission.
    """
    return None if since is None else Mark(since, order - 1)


def forgotten_by(settings: Settings, now: float) -> float:
    """Returns a time: answers that were last used by then are forgotten now."""
    return now - max(settings.fresh or 0.0, settings.retention)


def need_of(answers: Answers, ids: Sequence[Id], since: Mark | None, known: Mapping[Id, Known]) -> Need:
    """Returns what a batch with these `ids` needs.

    It awaits another that asks one of the ids that its next call would. Ids accepted without FRESH are always asked.
    """
    if since is None:
        return Need(answers)
    nothing = Known()
    found = {nth: text for nth in answers.left if (text := known.get(ids[nth], nothing).fresh(since)) is not None}
    after = answers.serve(found) if found else answers
    askers = (known.get(ids[nth], nothing).asker for nth in after.asked)
    return Need(after, [ids[nth] for nth in found], next((one for one in askers if one is not None), None))


def leading(
    ids: Ids, size: int, since: Mark | None, look: Callable[[Sequence[Id]], Mapping[Id, Known]]
) -> list[tuple[str, ...]]:
    """Returns the answers of the first batches of `size` ids up to the first that has to be asked.

    Those are MOST_SERVED at most.
    """
    served: list[tuple[str, ...]] = []
    first, count = 0, size
    while since is not None and first < len(ids) and len(served) < MOST_SERVED:
        some: Sequence[Id] = ids[first : first + count].tolist()
        known = look(some)
        for begin in range(0, len(some), size):
            texts = [known[one].fresh(since) if one in known else None for one in some[begin : begin + size]]
            if None in texts:
                return served
            served.append(tuple(text for text in texts if text is not None))
        first, count = first + count, _SOME * size
    return served[:MOST_SERVED]
