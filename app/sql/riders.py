"""Chooses the batches that ride in a call."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..core import MOST_SERVED, Batch, Call, Status
from . import fair
from .picks import Candidate, near
from .serving import Serving
from .turns import Turn


def riding(turn: Turn, leader: Batch, serving: Serving | None) -> Iterator[list[Candidate]]:
    """Yields the batches that ride with a leader that has started, some at a time; these are to be started at once.

    Of each ingestion, only the next in line is considered. The line is read again once a batch has left it whose
    successor was not read, and with `serving` as long as any leave it.
    """
    call = Call(turn.settings, leader)
    passed: set[tuple[float, ...]] = set()
    gone, changes = 0, True
    while call.looks and changes and gone < MOST_SERVED:
        line = _Line(turn, call.free, call.looks + len(passed), serving)
        riders, changes = list[Candidate](), False
        # Behind these there may be some that were not read, however many of them leave the line.
        for one in islice((one for one in line if _passed(one) not in passed), call.looks):
            if not call.looks:
                break
            asking = line.asking(one)
            if asking is None:
                gone += 1
            elif call.takes(asking.answers.asking(asking.batch(asking.attempt + 1, Status.TRIGGERED))):
                riders.append(asking)
                line.take(one)
            else:
                passed.add(_passed(one))
                continue
            changes = serving is not None
            if one.following and one.following not in line.read:
                changes = True
                break
        yield riders


def _passed(one: Candidate) -> tuple[float, ...]:
    """Returns what is passed over with a batch that does not fit: if it never started, all such of its ingestion."""
    return one.place[:2] if one.fresh else one.place


class _Line:
    """Due batches, among them the first `limit` that may ride, as one look finds them: in order, or by turns.

    `read` holds the places of those that were read to be looked at in order.
    """

    def __init__(self, turn: Turn, free: int, limit: int, serving: Serving | None) -> None:
        self._serving = serving
        self._turns = fair.riding(turn, free, limit) if turn.queue.fair else None
        self._picked = near(turn, free, limit) if self._turns is None else []
        self._known_of = serving.look(self._picked) if serving else {}
        self.read = {one.place for one in self._picked}

    def __iter__(self) -> Iterator[Candidate]:
        yield from self._picked
        while self._turns:
            yield self._turns.draw()

    def asking(self, one: Candidate) -> Candidate | None:
        """Returns a batch as its call would have it, None if it leaves the line."""
        if self._serving is None:
            return one
        # By turns, most of what was read is not looked at.
        known_of = self._known_of if self._turns is None else self._serving.look([one])
        return self._serving.asking(one, known_of)

    def take(self, one: Candidate) -> None:
        """Count a batch that rides among its caller's."""
        if self._turns is not None:
            self._turns.ride(one)
