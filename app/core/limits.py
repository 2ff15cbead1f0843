"""The limiter that the settings describe, and what of it must survive a restart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..limits import AnyLimit, Limit, Quota
from .buckets import Buckets
from .limiter import Limiter, TokenBucket
from .quotas import Quotas, Used

OF_INTERVAL = "INTERVAL"
"""What the limit of INTERVAL and BURST is called beside others."""

OF_UPSTREAM = "upstream"
"""What the limit is called that an upstream's refusals lead to."""


def limiter_of(
    interval: float,
    burst: int,
    limits: Sequence[AnyLimit],
    full_at: float = -math.inf,
    kept: Mapping[str, Any] | None = None,
    pace: float = 0.0,
) -> Limiter:
    """Returns the limiter of INTERVAL and BURST beside other limits, and of one start per `pace` seconds if above 0.

    `full_at` and `kept` are its state, as `state_of` returned it; a limit that is not among them starts full.
    """
    own, known = TokenBucket(interval, burst, full_at), kept or {}
    if not limits and not pace:
        return own
    buckets = {OF_INTERVAL: own}
    if pace:
        buckets[OF_UPSTREAM] = TokenBucket(pace, 1, known.get(OF_UPSTREAM, -math.inf))
    for one in limits:
        if isinstance(one, Limit):
            buckets[one.name] = TokenBucket(one.interval, one.capacity, known.get(one.name, -math.inf), one.period)
    used = [Used(one, *known.get(one.name, (-math.inf,))) for one in limits if isinstance(one, Quota)]
    return Quotas(Buckets(buckets), used) if used else Buckets(buckets)


def token_buckets(limiter: Limiter) -> Mapping[str, TokenBucket]:
    """Returns the token buckets of a limiter by their names."""
    if isinstance(limiter, TokenBucket):
        return {OF_INTERVAL: limiter}
    if isinstance(limiter, Quotas):
        limiter = limiter.limiter
    assert isinstance(limiter, Buckets)
    return limiter.buckets


def state_of(limiter: Limiter) -> tuple[float, dict[str, Any]]:
    """Returns when the bucket of INTERVAL would be full, and the state of each other limit by its name, as JSON."""
    if isinstance(limiter, TokenBucket):
        return limiter.full_at, {}
    kept: dict[str, Any] = {}
    if isinstance(limiter, Quotas):
        kept = {one.quota.name: [one.since, one.starts] for one in limiter.used if one.starts}
    full_at = {name: bucket.full_at for name, bucket in token_buckets(limiter).items()}
    own = full_at.pop(OF_INTERVAL)
    return own, kept | {name: moment for name, moment in full_at.items() if moment > -math.inf}
