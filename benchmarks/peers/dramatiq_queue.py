"""Dramatiq on Redis, with the worker's defaults: a process for every core, 8 threads each."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from .marks import BROKER, leave

dramatiq.set_broker(RedisBroker(url=BROKER))


@dramatiq.actor
def work(ids: list[int]) -> None:
    pass


@dramatiq.actor
def mark(path: str) -> None:
    leave(path)


def enqueue(ids: list[int]) -> None:
    work.send(ids)


def enqueue_mark(path: str) -> None:
    mark.send(path)
