"""Dramatiq on Redis with its WindowRateLimiter: a message that finds no room raises, and is retried a second later.

With its default backoff of 15 seconds and more, hardly anything would be called in the time that is measured.
"""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from .calling import ALLOWED, call
from .marks import BROKER

dramatiq.set_broker(RedisBroker(url=BROKER))
limiter = WindowRateLimiter(RedisBackend(url=BROKER), "upstream", limit=ALLOWED, window=1)
RETRIES = {"max_retries": None, "min_backoff": 1000, "max_backoff": 1000}


def _limited(number: int) -> None:
    with limiter.acquire():
        call(number)


low = dramatiq.actor(_limited, actor_name="low", priority=10, **RETRIES)
high = dramatiq.actor(_limited, actor_name="high", priority=0, **RETRIES)


def enqueue(number: int, *, urgent: bool) -> None:
    (high if urgent else low).send(number)
