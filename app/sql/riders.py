"""Chooses the batches that ride in a call."""

from __future__ import annotations

from collections.abc import Iterator

from ..core import MOST_SERVED, Batch, ByTurns, Call, Status
from . import fair
from .picks import Candidate, near
from .serving import Serving
from .turns import Turn


def riding(turn: Turn, leader: Batch, serving: Serving | None) -> Iterator[list[Candidate]]:
    """Yields the batches that ride with a leader that has started, some at a time; these are to be started at once.

    Of an ingestion, only the next in line is looked at. Once one left the line whose next was not read, and with
    `serving` while any leave it, the line is read again.
    """
    call = Call(turn.settings, leader)
    passed: set[tuple[float, ...]] = set()
    gone, changes = 0, True
    while call.looks and changes and gone < MOST_SERVED:
        riders, changes = list[Candidate](), False
        limit = call.looks + len(passed)
        turns = fair.riding(turn, call.free, limit) if turn.queue.fair else None
        picked = [] if turns is not None else near(turn, call.free, limit)
        read = {one.place for one in picked}
        known_of = serving.look(picked) if serving else {}
        for one in _drawn(turns) if turns is not None else picked:
            place = one.place[:2] if one.fresh else one.place
            if not call.looks:
                break
            if place in passed:
                continue
            if serving and turns is not None:
                known_of = serving.look([one])
            asking = serving.asking(one, known_of) if serving else one
            if asking is None:
                gone += 1
            elif call.takes(asking.answers.asking(asking.batch(asking.attempt + 1, Status.TRIGGERED))):
                riders.append(asking)
                if turns is not None:
                    turns.ride(one)
            else:
                passed.add(place)
                continue
            changes = serving is not None
            if one.following and one.following not in read:
                changes = True
                break
        yield riders


def _drawn(turns: ByTurns[Candidate]) -> Iterator[Candidate]:
    while turns:
        yield turns.draw()
