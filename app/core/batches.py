"""A stretch of an ingestion's batches, as they stood at one moment."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence

from .models import Batch, BatchError, Priority, Status

NEW, RUNNING, WAITING, COMPLETED, FAILED = range(5)
"""What a store notes of a batch. WAITING is for its next attempt; cancelled is said once, for the whole ingestion."""

_ODD = 255
_RUN = re.compile(rb"(.)\1*", re.DOTALL)

STATUS_OF = (Status.YET_TO_START, Status.TRIGGERED, Status.TRIGGERED, Status.COMPLETED, Status.FAILED)


def statuses(*, cancelled: bool) -> Sequence[Status]:
    """The status that goes with what is noted of a batch, in an ingestion that was cancelled or not."""
    return _CANCELLED if cancelled else STATUS_OF


class Batches:
    """Kept in columns, for there may be 100,000 of them; a Batch is made where somebody looks at one.

    `first` is the position of the first of them, `ids` and `states` (a byte each) are of these alone. `attempts` and
    `errors` go by position; a batch that is not in `attempts` is at its first attempt, or has yet to start.
    """

    def __init__(
        self,
        ingestion_id: str,
        priority: Priority,
        batch_size: int,
        first: int,
        ids: array[int],
        states: bytes,
        attempts: Mapping[int, int],
        errors: Mapping[int, BatchError],
        *,
        cancelled: bool,
    ) -> None:
        self.ingestion_id = ingestion_id
        self.priority = priority
        self.batch_size = batch_size
        self.first = first
        self.ids = ids
        self._states = states
        self._attempts = attempts
        self._errors = errors
        self._status_of = statuses(cancelled=cancelled)

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, nth: int) -> Batch:
        return self._batch(range(len(self))[nth])

    def __iter__(self) -> Iterator[Batch]:
        return map(self._batch, range(len(self)))

    def runs(self) -> Iterator[tuple[range, Status, int] | Batch]:
        """All of them in order: as a run (which of them, their status and attempt) those that are full, without an
        error and alike, any other by itself."""
        kinds = bytearray(self._states)
        for position in self._attempts.keys() | self._errors.keys():
            kinds[position - self.first] = _ODD
        if len(self.ids) < len(self) * self.batch_size:
            kinds[-1] = _ODD
        for run in _RUN.finditer(kinds):
            members = range(*run.span())
            state = kinds[members.start]
            if state == _ODD:
                yield from map(self._batch, members)
            else:
                yield members, self._status_of[state], int(state != NEW)

    def mark(self) -> bytes:
        """Which they are and what of them can change, as bytes: two looks at an ingestion's batches whose marks are the
        same show the same."""
        odd = (sorted(self._attempts.items()), sorted(self._errors.items())) if self._attempts or self._errors else ()
        rest = repr((self.first, odd, self._status_of is _CANCELLED))
        return self._states + rest.encode("utf-8", "backslashreplace")

    def _batch(self, nth: int) -> Batch:
        size, position, state = self.batch_size, self.first + nth, self._states[nth]
        return Batch(
            self.ingestion_id,
            position,
            self.ids[nth * size : (nth + 1) * size].tolist(),
            self._status_of[state],
            self.priority,
            self._attempts.get(position, int(state != NEW)),
            self._errors.get(position),
        )


_CANCELLED = (Status.CANCELLED, Status.TRIGGERED, Status.CANCELLED, Status.COMPLETED, Status.FAILED)
