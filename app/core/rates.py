"""The rate that an operator sets in place of the configured one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..config import Settings
from ..errors import Fault, InvalidRequest
from ..limits import AnyLimit, Limit, parse_limits
from .limiter import TokenBucket
from .members import number_of, unknown_members, whole_of

RATE_MEMBERS = ("interval", "burst", "limits")
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
        """Returns the settings with these rates in them; a limit keeps its configured name, under which it counts.

        What was set under another configuration holds as far as this one lets it be set.
        """
        if not self.changed:
            return settings
        interval, burst = settings.interval, settings.burst
        if self.interval is not None:
            least, most = interval_bounds(settings)
            interval = min(max(self.interval, least), most)
        if self.burst is not None:
            burst = min(self.burst, most_burst(settings))
        limits = tuple(self._in_place_of(one, settings)._replace(name=one.name) for one in settings.limits)
        return dataclasses.replace(settings, interval=interval, burst=burst, limits=limits)

    def written(self, settings: Settings) -> dict[str, str]:
        """Returns the limits in force as people write them, each by its configured name."""
        return {one.name: self._in_place_of(one, settings).name for one in settings.limits}

    def _in_place_of(self, usual: AnyLimit, settings: Settings) -> AnyLimit:
        changed = self.limits.get(usual.name)
        found = usual if changed is None else _replacement(usual, changed, settings)
        return usual if isinstance(found, str) else found

    def steady_interval(self, settings: Settings, pace: float) -> float:
        """Returns the seconds from start to start in the long run, 0 for no limit; `pace` is that of refusals."""
        return max(self.apply(settings).steady_interval, pace)


def check_rates(body: Any, settings: Settings) -> Rates:
    """Returns the rates that a request asks for. Raises InvalidRequest with every fault.

    A rate may be RATE_LEAST to RATE_MOST times what is configured.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest([Fault("#", f"The body must be an object with {', '.join(RATE_MEMBERS)}.")])
    if not body:
        # Nothing named would mean all as configured, which a reset says aloud.
        raise InvalidRequest([Fault("#", f"Say what to change: give at least one of {', '.join(RATE_MEMBERS)}.")])
    faults = unknown_members(body, RATE_MEMBERS)
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


def limit_bounds(usual: AnyLimit, settings: Settings) -> tuple[float, float]:
    """Returns how many starts a limit in the place of a configured one may allow, at least and at most."""
    return max(1, usual.most * settings.rate_least), usual.most * settings.rate_most


def _interval(value: Any, settings: Settings, faults: list[Fault]) -> float | None:
    if value is None:
        return None
    least, most = interval_bounds(settings)
    if (seconds := number_of(value)) is None or not least <= seconds <= most:
        bounds = ", as RATE_MOST and RATE_LEAST allow" if settings.interval else ""
        faults.append(Fault("#/interval", f"interval must be from {least:g} to {most:g} seconds{bounds}."))
        return None
    return float(seconds)


def _burst(value: Any, settings: Settings, faults: list[Fault]) -> int | None:
    if value is None:
        return None
    most = most_burst(settings)
    if (tokens := whole_of(value)) is None or not 1 <= tokens <= most:
        faults.append(Fault("#/burst", f"burst must be a whole number from 1 to {most}, as RATE_MOST allows."))
        return None
    return tokens


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
            continue
        new = _replacement(known[name], text, settings)
        if isinstance(new, str):
            faults.append(Fault("#/limits", f"{name} cannot be {str(text)[:60]!r}: {new}."))
        else:
            found[name] = new.name
    return found


def _replacement(usual: AnyLimit, text: Any, settings: Settings) -> AnyLimit | str:
    """Returns the limit that stands in the place of a configured one, or why it cannot."""
    try:
        (new,) = parse_limits(text) if isinstance(text, str) else ()
    except ValueError:
        return "it is no limit"
    least, most = limit_bounds(usual, settings)
    if _when(new) != _when(usual):
        return "its time must be the same"
    if not least <= new.most <= most:
        return f"it may allow {least:g} to {most:g}, by RATE_LEAST and RATE_MOST"
    return new


def _when(limit: AnyLimit) -> tuple[object, ...]:
    return (limit.period,) if isinstance(limit, Limit) else (limit.at, limit.zone)


def carried(old: TokenBucket, new: TokenBucket, now: float) -> float:
    """Returns when a bucket that takes the place of one with another rate is full.

    It has the old one's tokens, parts of one included; at a higher rate, what was taken from the old one is missing in
    it, too. So until the old one would have been full, both let no more through than one of them.
    """
    left = _left(old, now)
    if new.interval < old.interval:
        left = min(left, max(0.0, new.burst - (old.burst - left)))
    return _full_at(new, left, now)


def carried_over(
    old: TokenBucket, before: Limit, after: Limit, new: TokenBucket, now: float, missed: float
) -> tuple[float, float]:
    """Returns when the bucket of a limit that takes the place of another with the same period is full.

    No period holds more starts than the higher of the two allows. With D taken from the old bucket, T left in the new
    one, a burst B and an interval I each, what starts in u seconds before the change and in v after it is at most
    D + u / I + T + v / I; the period is (most + 1 - B) * I. D includes those `missed` by the old bucket since the last
    change. Also returns how many the new one misses.
    """
    left = _left(old, now)
    taken = old.burst - left + missed
    tokens = min(left, new.burst, max(before.most, after.most) - after.most + new.burst - taken)
    tokens = max(tokens, -new.debt / new.interval)
    return _full_at(new, tokens, now), max(0.0, taken - (new.burst - tokens))


def _left(bucket: TokenBucket, now: float) -> float:
    """Returns how many tokens a bucket has, parts of one included; none where it does not limit."""
    return bucket.burst - (bucket.full_from(now) - now) / bucket.interval if bucket.interval else 0.0


def _full_at(bucket: TokenBucket, tokens: float, now: float) -> float:
    return now + (bucket.burst - min(tokens, bucket.burst)) * bucket.interval
