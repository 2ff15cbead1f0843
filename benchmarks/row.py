"""A row of the table: what is compared with what, its aim, and its outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from .series import Series, Unavailable


class Aim(NamedTuple):
    """A bound on the median of a row's ratio, or of its plain figure if it is not compared with anything."""

    sign: str
    bound: float

    def met(self, value: float) -> bool:
        return value >= self.bound if self.sign == "≥" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"


def least(bound: float) -> Aim:
    return Aim("≥", bound)


def most(bound: float) -> Aim:
    return Aim("≤", bound)


class Row(NamedTuple):
    """`ours` over `theirs`: names of series that the `measure` of the row's family gives.

    Its name starts with its family, the module that measures it. Of several `theirs`, the one with the highest median
    counts. Without any, our figure stands alone.
    """

    name: str
    about: str
    unit: str
    ours: str
    theirs: str | tuple[str, ...] = ()
    aim: Aim | None = None

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    @property
    def series(self) -> tuple[str, ...]:
        """The series to measure for this row."""
        return self.ours, *self._others

    @property
    def _others(self) -> tuple[str, ...]:
        return (self.theirs,) if isinstance(self.theirs, str) else self.theirs

    def outcome(self, series: Mapping[str, Series]) -> Outcome:
        """The outcome. Raises Unavailable if one side is missing."""
        ours = _taken(series[self.ours])
        if not self.theirs:
            return Outcome(self, ours, None, ours)
        theirs = _highest([series[name] for name in self._others])
        return Outcome(self, ours, theirs, [_ratio(one, other) for one, other in zip(ours, theirs, strict=True)])


class Outcome(NamedTuple):
    """Each round's figures of a row, and their ratio; of a row without another side, the figures themselves."""

    row: Row
    ours: list[float]
    theirs: list[float] | None
    ratios: list[float]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def verdict(self) -> str:
        aim = self.row.aim
        if aim is None:
            return ""
        if aim.met(self.ratio):
            return "met"
        return f"missed by {abs(self.ratio - aim.bound) / aim.bound:.0%}" if aim.bound else "missed"


def _ratio(one: float, other: float) -> float:
    """Of two counts of 0 it is 1."""
    if other:
        return one / other
    return math.inf if one else 1.0


def _taken(series: Series) -> list[float]:
    if isinstance(series, Unavailable):
        raise series
    return series


def _highest(several: list[Series]) -> list[float]:
    there = [series for series in several if not isinstance(series, Unavailable)]
    return max(there, key=median) if there else _taken(several[0])
