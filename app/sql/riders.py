"""Chooses the batches that ride in a call."""

from __future__ import annotations

from ..config import Settings
from ..core import Call, Status
from .picks import Candidate, near
from .turns import Turn


def riders_of(turn: Turn, settings: Settings, leader: Candidate) -> list[Candidate]:
    """Returns the batches that ride with a leader that is about to start; of an ingestion, only the next is looked at.

    Its `row` is shared with those of its ingestion.
    """
    call = Call(settings, leader.answers.asking(leader.batch(leader.attempt + 1, Status.TRIGGERED)))
    riders: list[Candidate] = []
    if not call.looks:
        return riders
    passed: set[int] = set()
    for one in near(turn, leader.row, call.free, call.looks + 1):
        if not call.looks:
            break
        if one.place == leader.place or (one.fresh and one.row.order in passed):
            continue
        if call.takes(one.answers.asking(one.batch(one.attempt + 1, Status.TRIGGERED))):
            riders.append(one)
        elif one.fresh:
            passed.add(one.row.order)
    return riders
