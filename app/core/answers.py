"""What is known of each id of a batch, and what the next call asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .models import Batch, BatchError
from .states import COMPLETED, FAILED, WAITING

Answer: TypeAlias = str | BatchError | None
"""JSON text, why the id failed, or None while it is to be asked."""


class Answers(NamedTuple):
    """The answers to a batch of `size` ids; empty before the first. `alone`: the ids go one by one."""

    size: int
    known: tuple[Answer, ...] = ()
    alone: bool = False

    @property
    def left(self) -> Sequence[int]:
        """The indexes of the ids that are still to be asked; those that failed, once the batch starts over."""
        if not self.known:
            return range(self.size)
        return [nth for nth, one in enumerate(self.known) if one is None or not (self.alone or isinstance(one, str))]

    @property
    def asked(self) -> Sequence[int]:
        """The indexes of the ids that the next call asks."""
        return self.left[:1] if self.alone else self.left

    @property
    def starts(self) -> int:
        """How many starts the batch needs, if none fails."""
        return len(self.left) if self.alone else 1

    def asking(self, batch: Batch) -> Batch:
        """Returns the whole batch as a call has it, with only the ids that it asks."""
        if len(asked := self.asked) == self.size:
            return batch
        ids: list[Any] = [batch.ids[nth] for nth in asked]
        return batch._replace(ids=ids, asked=tuple(asked), alone=self.alone)

    def serve(self, found: Mapping[int, str]) -> Answers:
        """Returns them with what was found for some of the ids that are left, by index."""
        known = self.known or (None,) * self.size
        return self._replace(known=tuple(found.get(nth, one) for nth, one in enumerate(known)))

    @property
    def end(self) -> tuple[int, BatchError | None, Answers]:
        """The state, the error and the answers of a batch that has nothing left to ask, until it starts over."""
        failed = [one for one in self.known if isinstance(one, BatchError)]
        return FAILED if failed else COMPLETED, _summary(failed, self.size), Answers(self.size, self.known)

    def of_each(self, state: int, error: BatchError | None) -> Sequence[Answer]:
        """Returns the answer of each id of a batch in `state`, None for those without; empty if there is none."""
        if state == FAILED:
            return [one or error for one in self.known or [None] * self.size]
        return [one if self.alone or isinstance(one, str) else None for one in self.known]

    def after(
        self, state: int, error: BatchError | None, told: Sequence[Answer], *, split: bool
    ) -> tuple[int, BatchError | None, Answers]:
        """Returns state, error and answers of the batch after a call that ended in `state`.

        `told` holds an answer for each id it asked; it is empty where all are null, or where all failed by `error`.
        With `split`, a batch that fails as a whole goes again id by id.
        """
        asked = self.asked
        if state == WAITING:
            return state, error, self
        if state == COMPLETED and len(asked) == self.size:
            return state, None, Answers(self.size, tuple(told))
        if state == FAILED and not told:
            if split and len(asked) > 1:
                kept = tuple(one if isinstance(one, str) else None for one in self.known)
                return WAITING, error, Answers(self.size, kept or (None,) * self.size, alone=True)
            if len(asked) == self.size:
                return state, error, Answers(self.size)
        by_index: dict[int, Answer] = dict(enumerate(self.known))
        by_index |= zip(asked, told or [error or "null"] * len(asked), strict=True)
        after = Answers(self.size, tuple(by_index.values()))
        if None in after.known:
            return WAITING, error, after._replace(alone=True)
        return after.end


def _summary(failed: Sequence[BatchError], size: int) -> BatchError | None:
    """Returns the error of a batch of which some ids failed."""
    if not failed:
        return None
    first = failed[0]
    if len(failed) == size and len(set(failed)) == 1:
        return first
    return BatchError.made(first.type, f"{len(failed)} of {size} ids failed; the first: {first.message}")
