"""The gate of every start: pauses, holds and the limiter, and why nothing may start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from ..config import Settings
from ..limits import Limit
from .concurrency import Concurrency
from .limiter import Limiter
from .limits import OF_INTERVAL, OF_UPSTREAM, limiter_of, state_of, token_buckets
from .pace import Pace
from .pauses import WHOLE_QUEUE, Pauses
from .rates import Rates, carried, carried_over

_PACE, _RATES, _PAUSES, _ORDER, _CONCURRENCY = "pace", "rates", "pauses", "order_since", "concurrency"
_CONFIGURED, _MISSED = "settings", "missed"

WaitReason: TypeAlias = Literal[
    "paused", "hold", "empty", "answer", "retry", "slots", "connections", "token", "worker", "store"
]
"""Why nothing may start; `answer` says that all that waits has ids that other batches are asking, `worker` that nobody
is there to start it, `store` that it takes no changes.
"""

LimitedBy: TypeAlias = Literal["arrival", "retry", "token", "hold", "paused", "slots"]
"""The last condition that a start waited for."""


class Wait(NamedTuple):
    """Why nothing may start, and in how many seconds to try again (None: once something changes).

    A hold lasts until `until` (epoch seconds), though a store may want to look again sooner.
    """

    seconds: float | None
    reason: WaitReason
    until: float | None = None


class Waiting(Protocol):
    """How many batches wait: `total` in line, `parked` outside of it."""

    @property
    def total(self) -> int: ...

    @property
    def parked(self) -> int: ...


@dataclass(slots=True)
class Gate:
    """The conditions for every start: no pause, no hold, and a token. Times are epoch seconds.

    `order_since` is when what is in line last changed places. `configured` is the rate and the order of the settings
    that the store was last opened with, as JSON, empty where they were never noted. `missed` holds, by limit, how many
    starts of the period before the latest change its bucket does not count. `others` is the state of limits that only
    processes with other settings know.

    Not thread-safe: a store changes its gate under its lock, or in its turn at the database.
    """

    limiter: Limiter
    paused: bool = False
    resumed_at: float = 0.0
    hold_until: float = 0.0
    pace: Pace = Pace()  # noqa: RUF009 - it is immutable
    rates: Rates = Rates()  # noqa: RUF009
    pauses: Pauses = Pauses()  # noqa: RUF009
    concurrency: Concurrency = Concurrency()  # noqa: RUF009
    order_since: float = 0.0
    configured: Mapping[str, Any] = field(default_factory=dict)
    missed: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, settings: Settings, now: float, full_at: float = -math.inf, kept: Mapping[str, Any] | None = None
    ) -> Gate:
        """Returns the gate with what `kept` wrote; the whole queue is neither paused nor held."""
        known = dict(kept or {})
        pace, rates = Pace(*_of(Pace, known.pop(_PACE, ()))), Rates(*_of(Rates, known.pop(_RATES, ())))
        missed = known.pop(_MISSED, {})
        pauses, order_since = pauses_of(known), float(known.pop(_ORDER, 0.0))
        known.pop(_PAUSES, None)
        concurrency = Concurrency(*_of(Concurrency, known.pop(_CONCURRENCY, ())))
        configured = known.pop(_CONFIGURED, {})
        settings = rates.apply(settings)
        limits, interval = (settings.interval, settings.burst, settings.limits), pace.at(settings, now)
        limiter = limiter_of(*limits, full_at, known, interval)
        for name in (OF_UPSTREAM, *(one.name for one in settings.limits)):
            known.pop(name, None)
        return cls(
            limiter,
            pace=pace if interval else Pace(),
            rates=rates,
            pauses=pauses,
            concurrency=concurrency,
            order_since=order_since,
            configured=configured,
            missed=missed,
            others=known,
        )

    def at(self, settings: Settings, now: float) -> Gate:
        """Returns the gate with the pace of this moment."""
        if not self.pace.interval:
            return self
        gate = Gate.of(settings, now, *self.kept())
        gate.paused, gate.resumed_at, gate.hold_until = self.paused, self.resumed_at, self.hold_until
        return gate

    def kept(self) -> tuple[float, dict[str, Any]]:
        """Returns what must survive a restart beside pauses and holds: a moment, and JSON."""
        full_at, kept = state_of(self.limiter)
        kept |= self.others
        if self.pace.interval:
            kept[_PACE] = self.pace
        if self.rates.since:
            kept[_RATES] = self.rates
        if self.pauses:
            kept[_PAUSES] = self.pauses.kept()
        if self.concurrency:
            kept[_CONCURRENCY] = self.concurrency
        if self.order_since:
            kept[_ORDER] = self.order_since
        if self.configured:
            kept[_CONFIGURED] = self.configured
        if self.missed:
            kept[_MISSED] = self.missed
        return full_at, kept

    def configure(self, settings: Settings, now: float) -> None:
        """Note the rate and the order that the settings name; whatever differs from what was noted has changed now."""
        rate = [settings.interval, settings.burst, [one.name for one in settings.limits]]
        order = [settings.priority_aging, sorted(map(list, settings.fair_weights)) if settings.fair else None]
        if rate != self.configured.get("rate"):
            self.rates = self.rates._replace(since=now)
        if order != self.configured.get("order"):
            self.order_since = now
        self.configured = {"rate": rate, "order": order}

    def change_rates(self, settings: Settings, rates: Rates, now: float) -> None:
        """Go by other rates from now on; each limit keeps the tokens that it has."""
        before, after = self.rates.apply(settings), rates.apply(settings)
        old, new = (token_buckets(one) for one in (self.limiter, limiter_of(after.interval, after.burst, after.limits)))
        full_at, kept = self.kept()
        if (after.interval, after.burst) != (before.interval, before.burst):
            full_at = carried(old[OF_INTERVAL], new[OF_INTERVAL], now)
        missed: dict[str, float] = {}
        for former, one in zip(before.limits, after.limits, strict=True):
            if isinstance(one, Limit) and isinstance(former, Limit):
                recent = self.missed.get(one.name, 0.0) if now < self.rates.since + one.period else 0.0
                kept[one.name], lost = carried_over(old[one.name], former, one, new[one.name], now, recent)
                missed |= {one.name: lost} if lost else {}
        self.rates, self.missed = rates._replace(since=now), missed
        changed = Gate.of(settings, now, full_at, kept | {_RATES: self.rates})
        self.limiter, self.pace = changed.limiter, changed.pace

    def slowed_to(self, settings: Settings, now: float) -> float:
        """Returns the seconds per start to which refusals led, 0 once the rate is back at what is in force."""
        return self.pace.at(self.rates.apply(settings), now)

    def steady_interval(self, settings: Settings, now: float) -> float:
        """Returns the seconds from one start to the next in the long run, by the rate in force; 0 for no limit."""
        return self.rates.steady_interval(settings, self.slowed_to(settings, now))

    def slow_down(self, settings: Settings, claimed_at: float, now: float) -> float | None:
        """Halve the rate, because a batch claimed at `claimed_at` was refused; returns the seconds per start then.

        None where it was claimed at an earlier rate, so that refusals of batches that ran together count once.
        """
        if claimed_at <= self.pace.since:
            return None
        self.pace = self.pace.slower(self.rates.apply(settings), now)
        full_at, kept = self.kept()
        kept[OF_UPSTREAM] = now + self.pace.interval
        self.limiter = Gate.of(settings, now, full_at, kept).limiter
        return self.pace.interval

    def pause(self, what: Pauses = WHOLE_QUEUE) -> None:
        """Start nothing, or nothing of some priorities and callers, until `resume`."""
        self.pauses = self.pauses.add(what)
        self.paused = self.paused or not what

    def resume(self, now: float, what: Pauses = WHOLE_QUEUE) -> None:
        """End a pause of the queue, or of some priorities and callers, if any."""
        if (left := self.pauses.end(what)) != self.pauses:
            self.pauses, self.resumed_at, self.order_since = left, now, now
        elif not what and self.paused:
            self.paused, self.resumed_at = False, now

    def hold(self, until: float) -> None:
        """Start nothing before `until`; never shortens a hold."""
        self.hold_until = max(self.hold_until, until)

    def end_hold(self, now: float) -> None:
        """End a hold, if any."""
        self.hold_until = min(self.hold_until, now)

    def wait(self, now: float, *, due: float | None, slots: int, room: int, waiting: Waiting) -> Wait | None:
        """Returns why nothing may start now, or None if something may.

        `due` is when the first batch in line is due (None: each of them awaits another), `slots` how many more batches
        may run, and `room` how many more the upstream takes at once.
        """
        if self.paused:
            return Wait(None, "paused")
        if self.hold_until > now:
            return Wait(self.hold_until - now, "hold", self.hold_until)
        if due is None:
            return Wait(None, "answer" if waiting.total else "paused" if waiting.parked else "empty")
        if due > now:
            return Wait(due - now, "retry")
        if room <= 0:
            return Wait(None, "connections")
        if slots <= 0:
            return Wait(None, "slots")
        if (token_at := self.limiter.when(0, now)) > now:
            return Wait(token_at - now, "token")
        return None

    def limited_by(self, *, fresh: bool, due: float, token_at: float, was_full: bool) -> LimitedBy:
        """Returns the last of the conditions that a start waited for."""
        if was_full:
            return "slots"
        last = max(due, self.resumed_at, self.hold_until, token_at)
        if last == due:
            return "arrival" if fresh else "retry"
        if last == self.resumed_at:
            return "paused"
        return "hold" if last == self.hold_until else "token"


def pauses_of(kept: Mapping[str, Any]) -> Pauses:
    """Returns the pauses in what a gate `kept`."""
    return Pauses.of(*kept.get(_PAUSES, ((), ())))


def concurrency_of(kept: Mapping[str, Any]) -> Concurrency:
    """Returns the counts of batches at once in what a gate `kept`."""
    return Concurrency(*kept.get(_CONCURRENCY, ()))


def _of(kind: type[tuple[Any, ...]], told: Sequence[Any]) -> Sequence[Any]:
    """Returns the fields of a kind out of what was kept of it; a newer process may have kept more."""
    fields: Sequence[str] = kind._fields  # type: ignore[attr-defined]
    return told[: len(fields)]
