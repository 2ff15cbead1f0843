"""Celery on Redis with its `rate_limit`, which holds for each worker, and priorities as its pages on Redis say."""

from __future__ import annotations

from celery import Celery

from .calling import ALLOWED, call
from .marks import BROKER

app = Celery("peer", broker=BROKER)
app.conf.broker_transport_options = {"priority_steps": [0, 9], "sep": ":", "queue_order_strategy": "priority"}
app.conf.worker_prefetch_multiplier = 1
app.conf.task_acks_late = True


@app.task(ignore_result=True, rate_limit=f"{ALLOWED}/s")
def work(number: int) -> None:
    call(number)


def enqueue(number: int, *, urgent: bool) -> None:
    work.apply_async((number,), priority=0 if urgent else 9)
