"""How many ids each owner has waiting."""

from __future__ import annotations

from array import array

from app.core import COMPLETED, RUNNING, WAITING, Priority
from app.memory.holdings import Holdings
from app.memory.record import Record
from app.store import Submission


def record(order: int, owner: str | None) -> Record:
    priority = Priority(1 + order % 3)
    submission = Submission(array("q", range(7)), priority, owner=owner)
    return Record(f"{order}", order, float(priority), 0.0, 3, submission)


def test_an_owner_with_nothing_waiting_is_forgotten() -> None:
    holdings = Holdings()
    records = [record(order, owner) for order, owner in enumerate(["me", "you", None] * 4)]
    for one in records:
        holdings.recount(one)
    assert (holdings.ids("me"), holdings.ids("you"), holdings.ids("nobody")) == (28, 28, 0)
    for position in range(3):
        for one in records:
            one.move(position, COMPLETED)
            holdings.recount(one)
    assert vars(holdings) == vars(Holdings())
    assert list(holdings.due("me", 0.0)) == []


def test_what_goes_again_is_reached_at_its_place_after_others_that_do() -> None:
    holdings = Holdings()
    records = [record(order, "me") for order in (0, 3, 6)]
    for one in records:
        holdings.recount(one)
    for state in (RUNNING, WAITING):
        for one in records[:2]:
            for position in range(3):
                one.move(position, state)
            holdings.recount(one)
    assert list(holdings.due("me", 0.0)) == [(one, 7, 3) for one in records]
