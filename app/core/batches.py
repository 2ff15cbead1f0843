"""A page of an ingestion's batches, as they stood at one moment."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping

from .models import Batch, BatchError, Priority, Status
from .states import NEW, statuses

_ODD = 255
_RUN = re.compile(rb"(.)\1*", re.DOTALL)


class Batches:
    """A sequence of Batch in columns, because there may be 100,000 of them; each Batch is made when it is read.

    `first` is the position of the first one. `ids` and `states` (a byte each) cover only this page. `attempts` and
    `errors` are keyed by position; a batch that is not in `attempts` is at its first attempt, or has yet to start.
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
        self._cancelled = cancelled
        self._status_of = statuses(cancelled=cancelled)

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, nth: int) -> Batch:
        return self._batch(range(len(self))[nth])

    def __iter__(self) -> Iterator[Batch]:
        return map(self._batch, range(len(self)))

    def runs(self) -> Iterator[tuple[range, Status, int] | Batch]:
        """Yields the batches in order, in runs.

        A run is consecutive full batches of equal state without an error, as their positions, status and attempt; any
        other batch comes by itself.
        """
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
        """Returns bytes that identify what the page shows: two pages of one ingestion with the same mark are equal."""
        odd = (sorted(self._attempts.items()), sorted(self._errors.items())) if self._attempts or self._errors else ()
        rest = repr((self.first, odd, self._cancelled))
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
