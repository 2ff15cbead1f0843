"""The model of callers' turns, too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from app.core import Ingestion, Priority


@dataclass
class Fairness:
    """The model of turns: tags, turns owed and rides of each caller at a priority, and the priority's virtual time."""

    weights: dict[str, int]
    tags: dict[tuple[Priority, str], Fraction] = field(default_factory=dict)
    now: dict[Priority, Fraction] = field(default_factory=dict)
    owed: dict[tuple[Priority, str], int] = field(default_factory=dict)
    rides: dict[tuple[Priority, str], int] = field(default_factory=dict)

    def turn(self, ingestion: Ingestion) -> tuple[Fraction, str]:
        priority, caller = ingestion.priority, ingestion.owner or ""
        now = self.now.get(priority, Fraction())
        if self.owed.get((priority, caller)):
            return now, caller
        return max(now, self.tags.get((priority, caller), now)), caller

    def turn_to_ride(self, ingestion: Ingestion) -> tuple[Fraction, str]:
        start, caller = self.turn(ingestion)
        rides = self.rides.get((ingestion.priority, caller), 0) if self.is_in_time(ingestion) else 0
        return start + rides * self.cost(caller), caller

    def is_in_time(self, ingestion: Ingestion) -> bool:
        """Whether the virtual time has not passed the caller's tag."""
        priority, caller = ingestion.priority, ingestion.owner or ""
        return self.tags.get((priority, caller), Fraction()) >= self.now.get(priority, Fraction())

    def cost(self, caller: str) -> Fraction:
        return Fraction(1, self.weights.get(caller, 1))

    def take(self, ingestion: Ingestion) -> None:
        priority, caller = ingestion.priority, ingestion.owner or ""
        if self.owed.get((priority, caller)):
            self.owed[priority, caller] -= 1
            return
        self.now[priority] = self.turn(ingestion)[0]
        self.tags[priority, caller] = self.now[priority] + self.cost(caller)
        self.rides[priority, caller] = 0

    def ride(self, ingestion: Ingestion) -> None:
        key = ingestion.priority, ingestion.owner or ""
        if self.owed.get(key):
            return
        if not self.is_in_time(ingestion):
            self.tags[key], self.rides[key] = self.now[ingestion.priority], 0
        self.rides[key] = self.rides.get(key, 0) + 1

    def give_back(self, ingestion: Ingestion) -> None:
        key = ingestion.priority, ingestion.owner or ""
        self.owed[key] = self.owed.get(key, 0) + 1
        self.rides[key] = 0
