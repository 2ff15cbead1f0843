"""Celery on Redis, with the worker's defaults: a process for every core."""

from __future__ import annotations

from celery import Celery

from .marks import BROKER, leave

app = Celery("peer", broker=BROKER)


@app.task(ignore_result=True)
def work(ids: list[int]) -> None:
    pass


@app.task(ignore_result=True)
def mark(path: str) -> None:
    leave(path)


def enqueue(ids: list[int]) -> None:
    work.delay(ids)


def enqueue_mark(path: str) -> None:
    mark.delay(path)
