"""What is paused while the rest of the queue goes on."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import Fault, InvalidRequest
from .members import priority_fault, priority_of
from .models import Priority
from .names import name_fault


class Pauses(NamedTuple):
    """Priorities and callers of which nothing starts, whose waiting batches are parked: not in line."""

    priorities: frozenset[Priority] = frozenset()
    owners: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.priorities or self.owners)

    def cover(self, priority: Priority, owner: str | None) -> bool:
        """Returns whether an ingestion of this priority and caller is parked."""
        return priority in self.priorities or owner in self.owners

    def add(self, other: Pauses) -> Pauses:
        """Returns these pauses and others."""
        return Pauses(self.priorities | other.priorities, self.owners | other.owners)

    def end(self, other: Pauses) -> Pauses:
        """Returns these pauses without others."""
        return Pauses(self.priorities - other.priorities, self.owners - other.owners)

    def kept(self) -> tuple[list[int], list[str]]:
        """Returns them as JSON keeps them."""
        return sorted(self.priorities), sorted(self.owners)

    @classmethod
    def of(cls, priorities: list[int], owners: list[str]) -> Pauses:
        """Returns the pauses that `kept` wrote."""
        return cls(frozenset(map(Priority, priorities)), frozenset(owners))


WHOLE_QUEUE = Pauses()
"""Stands for the queue as a whole, where something is paused or resumed."""


def check_pauses(priority: Priority | str | None, owner: str | None) -> Pauses:
    """Returns what is to be paused or resumed: a priority, a caller, each of both, or WHOLE_QUEUE.

    Raises InvalidRequest.
    """
    faults, known = [], priority_of(priority)
    if priority is not None and known is None:
        faults.append(Fault("query priority", f"priority {priority_fault(priority)}"))
    if owner is not None and (fault := name_fault(owner)):
        faults.append(Fault("query owner", f"owner {fault}"))
    if faults:
        raise InvalidRequest(faults)
    return Pauses(frozenset(() if known is None else {known}), frozenset(() if owner is None else {owner}))
