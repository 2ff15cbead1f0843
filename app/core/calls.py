"""One call of the processor for several batches: which ride along with its leader, and what it means for each.

The leader is the most urgent due batch, which takes the token; riders are the most urgent of those that fit beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from uuid import UUID, uuid5

from ..config import Settings
from ..errors import PermanentError, UpstreamError
from .answers import Answer
from .ids import Id
from .models import Batch, BatchError
from .rules import is_last

BEYOND = 8
"""How many more batches are looked at for a call than it has places free, because not each of them fits."""

_REFUSED = "SharedCallRefused"


class Call:
    """A call while it fills, up to `BATCH_SIZE` distinct ids; those that two of its batches have count once.

    `looks` is how many more batches may be looked at, 0 once it is full; `free` how many more ids fit.
    """

    def __init__(self, settings: Settings, leader: Batch) -> None:
        self._max_attempts = settings.max_attempts
        self._ids = set(leader.ids)
        self._kind = type(leader.ids[0])
        self.free = max(0, settings.batch_size - len(self._ids)) if self._shares(leader) else 0
        self.looks = self.free + BEYOND if self.free else 0

    def takes(self, batch: Batch) -> bool:
        """Take a batch along if it fits whole; returns whether it does. It is as its claim would have it."""
        self.looks -= 1
        new = set(batch.ids) - self._ids
        if len(new) > self.free or type(batch.ids[0]) is not self._kind or not self._shares(batch):
            return False
        self._ids |= new
        self.free -= len(new)
        if not self.free:
            self.looks = 0
        return True

    def _shares(self, batch: Batch) -> bool:
        """Returns whether a batch may share its next call.

        The last attempt is its own, so that none fails for good by another's ids; so is the one after a refusal, and
        that of ids that go one by one.
        """
        refused = batch.error is not None and batch.error.type == _REFUSED
        return not (refused or batch.alone or is_last(batch.attempt, self._max_attempts))


def error_of(error: BaseException, owners: Collection[str | None], call: str) -> BatchError:
    """Returns what each batch of a call keeps of what its processor raised.

    Where they are of several owners, that is the type, the status of an upstream's answer and the key of the call,
    because the text may be about ids of the others.
    """
    why = BatchError.of(error)
    if len(owners) < 2:
        return why
    status = error.status if isinstance(error, PermanentError | UpstreamError) else None
    told = f"the upstream answered {status} to" if status else "nothing came of"
    return BatchError.made(why.type, f"{told} a call that other callers shared; the log says more of {call}")


def refused_together(why: BatchError) -> BatchError:
    """Returns the error of a batch whose shared call was refused for good; whose ids caused that is not known."""
    return BatchError.made(_REFUSED, f"the call it shared was refused; the next is its own: {why.type}: {why.message}")


def key_of(batches: Sequence[Batch]) -> str:
    """Returns a UUID for a call, the same for each call of the same batches for the same ids.

    That of a call for a lone batch is the batch's own key.
    """
    first, *rest = (batch.key for batch in batches)
    return str(uuid5(UUID(first), " ".join(rest))) if rest else first


def merged(parts: Sequence[Sequence[Id]]) -> tuple[Id, ...]:
    """Returns the ids of a call for several batches, given those of each: each distinct one once."""
    return tuple(dict.fromkeys(chain.from_iterable(parts)))


def parted(parts: Sequence[Sequence[Id]], ids: Sequence[Id], answers: Sequence[Answer]) -> list[Sequence[Answer]]:
    """Returns the answers of each batch of a call, given those of its `merged` ids; empty where all are null."""
    by_id = dict(zip(ids, answers, strict=True)) if answers else {}
    return [[by_id[one] for one in part] if answers else () for part in parts]
