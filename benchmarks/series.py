"""The measurements: one figure per round for every contender, taken in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


class Unavailable(Exception):
    """A contender cannot be measured here; the message says why."""


Series = list[float] | Unavailable
Contender = Callable[[], float | Mapping[str, float]]


@dataclass(frozen=True)
class Plan:
    """How many rounds to take, and which series are requested (None: all)."""

    rounds: int
    series: frozenset[str] | None = None

    def wants(self, name: str) -> bool:
        """Whether a contender of this name provides a requested series."""
        return self.series is None or any(one == name or one.startswith(f"{name} ") for one in self.series)


def interleave(plan: Plan, contenders: Mapping[str, Contender], *, warm_up: bool = True) -> dict[str, Series]:
    """The figure of every round, of each contender that the plan wants.

    In a round each runs once, in the opposite order every other round, so that a temporary slowdown of the machine
    affects all. A warm-up round is discarded. A contender that returns several figures by name gets a series for each,
    under "contender name".
    """
    series: dict[str, Series] = {}
    gone: set[str] = set()
    names = [name for name in contenders if plan.wants(name)]
    for turn in range(0 if warm_up else 1, plan.rounds + 1):
        for name in names if turn % 2 else reversed(names):
            if name in gone:
                continue
            try:
                figure = contenders[name]()
            except Unavailable as reason:
                gone.add(name)
                series[name] = reason
                continue
            figures = figure if isinstance(figure, Mapping) else {"": figure}
            for part, value in figures.items():
                taken = series.setdefault(f"{name} {part}".strip(), [])
                if turn and isinstance(taken, list):
                    taken.append(value)
    return series


def percentile(values: Sequence[float], percent: float) -> float:
    """The least value that `percent` of all do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]
