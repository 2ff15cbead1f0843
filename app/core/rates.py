"""The rate that an operator sets in place of the configured one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..config import Settings
from ..errors import Fault, InvalidRequest
from ..limits import AnyLimit, Limit, parse_limits
from .limiter import TokenBucket
from .validation import unknown_members

MEMBERS = ("interval", "burst", "limits")
"""What may be changed: INTERVAL, BURST, and each of LIMITS."""


class Rates(NamedTuple):
    """What differs from the configuration, since `since` (epoch seconds); None and missing limits do not.

    `limits` holds, by the name of a configured limit, the one that is in its place, as people write it.
    """

    interval: float | None = None
    burst: int | None = None
    limits: Mapping[str, str] = {}
    since: float = 0.0

    @property
    def changed(self) -> bool:
        return self.interval is not None or self.burst is not None or bool(self.limits)

    def apply(self, settings: Settings) -> Settings:
        """Returns the settings with these rates in them; a limit keeps its configured name, under which it counts."""
        if not self.changed:
            return settings
        limits = (
            parse_limits(self.limits[one.name])[0]._replace(name=one.name) if one.name in self.limits else one
            for one in settings.limits
        )
        return dataclasses.replace(
            settings,
            interval=settings.interval if self.interval is None else self.interval,
            burst=settings.burst if self.burst is None else self.burst,
            limits=tuple(limits),
        )

    def written(self, settings: Settings) -> dict[str, str]:
        """Returns the limits in force as people write them, each by its configured name."""
        return {one.name: self.limits.get(one.name, one.name) for one in settings.limits}

    def steady_interval(self, settings: Settings, pace: float) -> float:
        """Returns the seconds from start to start in the long run, 0 for no limit; `pace` is that of refusals."""
        return max(self.apply(settings).steady_interval, pace)


def check_rates(body: Any, settings: Settings) -> Rates:
    """Returns the rates that a request asks for. Raises InvalidRequest with every fault.

    A rate may be RATE_LEAST to RATE_MOST times what is configured.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object with {', '.join(MEMBERS)}.")])
    faults = unknown_members(body, MEMBERS)
    interval = _interval(body.get("interval"), settings, faults)
    burst = _burst(body.get("burst"), settings, faults)
    limits = {} if body.get("limits") is None else _limits(body["limits"], settings, faults)
    if faults:
        raise InvalidRequest(faults)
    return Rates(interval, burst, limits)


def interval_bounds(settings: Settings) -> tuple[float, float]:
    """Returns the least and the greatest interval that may be set, in seconds."""
    usual = settings.interval
    return (usual / settings.rate_most, min(1e9, usual / settings.rate_least)) if usual else (0.0, 1e9)


def most_burst(settings: Settings) -> int:
    """Returns the greatest burst that may be set."""
    return int(settings.burst * settings.rate_most)


def _interval(value: Any, settings: Settings, faults: list[Fault]) -> float | None:
    if value is None:
        return None
    least, most = interval_bounds(settings)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        faults.append(Fault("#/interval", f"interval must be from {least:g} to {most:g} seconds."))
        return None
    return float(value)


def _burst(value: Any, settings: Settings, faults: list[Fault]) -> int | None:
    if value is None:
        return None
    most = most_burst(settings)
    if type(value) is not int or not 1 <= value <= most:
        faults.append(Fault("#/burst", f"burst must be a whole number from 1 to {most}."))
        return None
    return value


def _limits(value: Any, settings: Settings, faults: list[Fault]) -> dict[str, str]:
    known = {one.name: one for one in settings.limits}
    if not isinstance(value, Mapping):
        faults.append(Fault("#/limits", "limits must be an object, of a limit for the name of each that it replaces."))
        return {}
    found = {}
    for name, text in value.items():
        if name not in known:
            names = f"those are {', '.join(known)}" if known else "there are none"
            faults.append(Fault("#/limits", f"{str(name)[:60]!r} is none of the configured limits; {names}."))
        elif fault := _unfit(known[name], text, settings):
            faults.append(Fault("#/limits", f"{name} cannot be {str(text)[:60]!r}: {fault}."))
        else:
            found[name] = parse_limits(text)[0].name
    return found


def _unfit(usual: AnyLimit, text: Any, settings: Settings) -> str | None:
    """Returns why a limit cannot stand in the place of a configured one, None if it can."""
    try:
        (new,) = parse_limits(text) if isinstance(text, str) else ()
    except ValueError:
        return "it is no limit"
    least, most = max(1, usual.most * settings.rate_least), usual.most * settings.rate_most
    if _when(new) != _when(usual):
        return "its time must be the same"
    if not least <= new.most <= most:
        return f"it may allow {least:g} to {most:g}"
    return None


def _when(limit: AnyLimit) -> tuple[object, ...]:
    return (limit.period,) if isinstance(limit, Limit) else (limit.at, limit.zone)


def carried(old: TokenBucket, interval: float, burst: float, now: float) -> float:
    """Returns when a bucket of another rate would be full that has the tokens of an old one, in parts too."""
    tokens = min(burst, old.burst - (old.full_from(now) - now) / old.interval) if old.interval else 0.0
    return now + (burst - tokens) * interval
