"""procrastinate on PostgreSQL, with the worker's defaults: one job at a time."""

from __future__ import annotations

import functools

from procrastinate import App, PsycopgConnector

from .marks import BROKER, leave

app = App(connector=PsycopgConnector(conninfo=BROKER))


@app.task
def work(ids: list[int]) -> None:
    pass


@app.task
def mark(path: str) -> None:
    leave(path)


@functools.cache
def _open() -> None:
    """Only for the process that fills the queue: the worker opens the app itself."""
    app.open()


def enqueue(ids: list[int]) -> None:
    _open()
    work.defer(ids=ids)


def enqueue_mark(path: str) -> None:
    _open()
    mark.defer(path=path)
