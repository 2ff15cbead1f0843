"""Huey on Redis with the library `limits`: a job waits for its turn in a moving window that all consumers share."""

from __future__ import annotations

import time

from huey import PriorityRedisHuey
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from .calling import ALLOWED, call
from .marks import BROKER

huey = PriorityRedisHuey(url=BROKER)
limiter = MovingWindowRateLimiter(RedisStorage(BROKER))
allowance = RateLimitItemPerSecond(ALLOWED)


@huey.task()
def work(number: int) -> None:
    while not limiter.hit(allowance, "upstream"):
        time.sleep(0.01)
    call(number)


def enqueue(number: int, *, urgent: bool) -> None:
    work(number, priority=1 if urgent else 0)
