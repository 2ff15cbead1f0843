"""The last hour by the minute: what started and failed, what held it up, how long each priority waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..config import Settings
from ..core import HOUR, Minute, Priority, Stats, timestamp, wait_quantile

_HALF, _MOST = 0.5, 0.95


def hour_document(minutes: Mapping[int, Minute], stats: Stats, settings: Settings) -> dict[str, Any]:
    """Returns the last 60 minutes of the clock, including the current one, oldest first.

    `rates` are starts a minute by the rate that was in force, `rate` by that of now; None where there is no limit. The
    waits, and `misses`, the mean errors of estimates, are in seconds; None where nothing started, or none was judged.
    """
    first = int(stats.now // 60) - HOUR + 1
    hour = [minutes.get(number, Minute()) for number in range(first, first + HOUR)]
    now = stats.rates.steady_interval(settings, stats.pace)
    return {
        "first_minute": timestamp(60 * first),
        "counts": [one.starts for one in hour],
        "failed": [one.failed for one in hour],
        "held": [round(one.held, 1) for one in hour],
        "paused": [round(one.paused, 1) for one in hour],
        "rates": _rates(hour, now),
        "rate": _a_minute(now),
        "configured_rate": _a_minute(settings.steady_interval),
        "waits": {priority.name: _waits(hour, priority) for priority in Priority},
        "misses": [_rounded(one.missed / one.judged if one.judged else None) for one in hour],
    }


def _rates(hour: Sequence[Minute], now: float) -> list[float | None]:
    """Returns the rates minute by minute; one without a start has that of the minute before.

    The first ones have that of the next, and the current minute has the rate of now.
    """
    known = next((one.interval for one in hour if one.starts), now)
    rates = []
    for one in hour[:-1]:
        known = one.interval if one.starts else known
        rates.append(_a_minute(known))
    return [*rates, _a_minute(now)]


def _waits(hour: Sequence[Minute], priority: Priority) -> dict[str, Any]:
    counts = [one.waits_at(priority) for one in hour]
    return {
        "p50": _rounded(wait_quantile(counts, _HALF)),
        "p95": _rounded(wait_quantile(counts, _MOST)),
        "p50_by_minute": [_rounded(wait_quantile([one], _HALF)) for one in counts],
        "p95_by_minute": [_rounded(wait_quantile([one], _MOST)) for one in counts],
    }


def _a_minute(interval: float) -> float | None:
    return 60 / interval if interval else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
