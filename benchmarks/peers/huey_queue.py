"""Huey on Redis or on a SQLite file, with the consumer's defaults: one thread."""

from __future__ import annotations

from huey import RedisHuey, SqliteHuey

from .marks import BROKER, leave

huey = RedisHuey(url=BROKER) if "://" in BROKER else SqliteHuey(filename=BROKER)


@huey.task()
def work(ids: list[int]) -> None:
    pass


@huey.task()
def mark(path: str) -> None:
    leave(path)


def enqueue(ids: list[int]) -> None:
    work(ids)


def enqueue_mark(path: str) -> None:
    mark(path)
