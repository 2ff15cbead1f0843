"""RQ on Redis, with the worker's defaults: a fork for every job."""

from __future__ import annotations

from redis import Redis
from rq import Queue

from .marks import BROKER, leave

queue = Queue(connection=Redis.from_url(BROKER))


def work(ids: list[int]) -> None:
    pass


def enqueue(ids: list[int]) -> None:
    queue.enqueue(work, ids)


def enqueue_mark(path: str) -> None:
    queue.enqueue(leave, path)
