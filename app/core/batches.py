"""A page of an ingestion's batches, as they stood at one moment."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from .ids import Ids
from .models import Batch, BatchError, Priority, Status
from .states import COMPLETED, FAILED, NEW, RUNNING, WAITING, statuses

_ODD = 255
_WAITING, _AN_ODD = bytes([WAITING]), bytes([_ODD])
# A reference back to the first byte of a run would take a hundred times as long.
_RUN = re.compile(b"|".join(re.escape(bytes([kind])) + b"+" for kind in (NEW, RUNNING, COMPLETED, FAILED, _ODD)))


class Batches:
    """A sequence of Batch in columns, because there may be 100,000 of them; each Batch is made when it is read.

    `positions` are theirs, in order; those of a page that is filtered have gaps. `ids` and `states` (a byte each) cover
    only this page, `started` and `finished` its beginning up to the last batch that ever started, 0 where unknown. The
    rest is keyed by position; a batch that is not in `attempts` is at its first attempt, or has yet to start.
    """

    def __init__(
        self,
        ingestion_id: str,
        priority: Priority,
        batch_size: int,
        positions: Sequence[int],
        ids: Ids,
        states: bytes,
        started: array[float],
        finished: array[float],
        *,
        attempts: Mapping[int, int],
        errors: Mapping[int, BatchError],
        dues: Mapping[int, float],
        cancelled: bool,
    ) -> None:
        self.ingestion_id = ingestion_id
        self.priority = priority
        self.batch_size = batch_size
        self.positions = positions
        self.ids = ids
        self.started = started
        self.finished = finished
        self._states = states
        self._attempts = attempts
        self._errors = errors
        self._dues = dues
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

        A run is consecutive full batches of equal state, either new or at their first attempt with all times known and
        no error, as their indexes in this page, status and attempt; any other batch comes by itself.
        """
        kinds = bytearray(self._states).replace(_WAITING, _AN_ODD)
        for position in self._attempts.keys() | self._errors.keys():
            kinds[bisect_left(self.positions, position)] = _ODD
        for times, least in ((self.started, RUNNING), (self.finished, COMPLETED)):
            if 0.0 in times:
                for nth, moment in enumerate(times):
                    if not moment and kinds[nth] >= least:
                        kinds[nth] = _ODD
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
        told = self._attempts, self._errors, self._dues
        odd = [sorted(one.items()) for one in told] if any(told) else []
        rest = repr((self.positions, odd, self._cancelled))
        times = self.started.tobytes() + self.finished.tobytes()
        return self._states + times + rest.encode("utf-8", "backslashreplace")

    def _batch(self, nth: int) -> Batch:
        size, position, state = self.batch_size, self.positions[nth], self._states[nth]
        status = self._status_of[state]
        attempt = self._attempts.get(position, int(state != NEW))
        return Batch(
            self.ingestion_id,
            position,
            self.ids[nth * size : (nth + 1) * size].tolist(),
            status,
            self.priority,
            attempt,
            self._errors.get(position),
            _time(self.started, nth) if attempt else None,
            _time(self.finished, nth) if state >= COMPLETED else None,
            self._dues.get(position) if state == WAITING and not status.final else None,
        )


def _time(times: array[float], nth: int) -> float | None:
    return times[nth] or None if nth < len(times) else None
