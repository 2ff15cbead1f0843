"""A host's Flask app with an instance in it, and a record of its signals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import IngestionAPI, signals
from app.core.clock import Clock
from app.core.models import Ingestion
from app.service import Service
from app.store import Store
from tests.support.clock import FakeClock

SIGNALS = {
    "accepted": signals.ingestion_accepted,
    "refused": signals.ingestion_refused,
    "started": signals.batch_started,
    "completed": signals.batch_completed,
    "retried": signals.batch_retried,
    "failed": signals.batch_failed,
    "held": signals.queue_held,
    "finished": signals.ingestion_finished,
}

BOUND = 20.0
"""Seconds of real time after which a test gives up waiting."""


class Heard:
    """Every signal that an app sends, in order."""

    def __init__(self, app: Flask) -> None:
        self._changed = threading.Condition()
        self.events: list[tuple[str, dict[str, Any]]] = []
        # Signals refer to their receivers weakly.
        self._receivers = [self._listen(word) for word in SIGNALS]
        for receiver, signal in zip(self._receivers, SIGNALS.values(), strict=True):
            signal.connect(receiver, sender=app)

    def _listen(self, word: str) -> Callable[..., None]:
        def receiver(_: Flask, **keywords: Any) -> None:
            with self._changed:
                self.events.append((word, keywords))
                self._changed.notify_all()

        return receiver

    def stop_listening(self) -> None:
        self._receivers.clear()

    def all(self, word: str) -> list[dict[str, Any]]:
        """The arguments of each signal of that name."""
        return [keywords for heard, keywords in list(self.events) if heard == word]

    def until(self, word: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for a number of signals of that name."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self.all(word)) >= count, BOUND)
        assert there, f"{count} times {word!r} expected, heard {[heard for heard, _ in self.events]}"
        return self.all(word)

    def until_finished(self, *ingestion_ids: str) -> None:
        """Wait for the end of these ingestions."""

        def over() -> bool:
            return {one["ingestion"].id for one in self.all("finished")} >= set(ingestion_ids)

        with self._changed:
            assert self._changed.wait_for(over, BOUND), f"{ingestion_ids} did not all finish"


class Host:
    """An app with one instance, on a clock that the test controls; settings go by their lower-case names."""

    def __init__(
        self,
        processor: Callable[..., Any] | None = None,
        *,
        clock: Clock | None = None,
        name: str = "ingest",
        url_prefix: str | None = None,
        **settings: Any,
    ) -> None:
        self.clock: Any = clock or FakeClock()
        self.app = Flask("host")
        self.app.testing = True
        settings.setdefault("autostart", True)  # under TESTING nothing starts by itself
        self.app.config.update({f"{name.upper()}_{key.upper()}": value for key, value in settings.items()})
        self.heard = Heard(self.app)
        self.ingestion = IngestionAPI(name=name)
        self.ingestion.init_app(self.app, url_prefix=url_prefix, clock=self.clock)
        if processor:
            self.ingestion.processor(processor)

    @property
    def service(self) -> Service:
        return self.ingestion.service

    @property
    def store(self) -> Store:
        return self.service.store

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def advance(self, seconds: float) -> None:
        """Let time pass, and make the worker check again: it may have computed its wait before, and begun it after."""
        self.clock.advance(seconds)
        self.service.worker.wake()

    def submit(self, ids: Any, priority: str = "MEDIUM", **more: Any) -> Ingestion:
        return self.ingestion.submit(ids, priority, **more)

    def finished(self, ingestion_id: str) -> Ingestion:
        """The ingestion, once it has ended."""
        self.heard.until_finished(ingestion_id)
        return self.ingestion.get(ingestion_id)

    def error(self, ingestion_id: str, position: int = 0) -> tuple[str, str] | None:
        """The type and message of a batch's latest error."""
        return self.service.store.batches(ingestion_id)[1][position].error


def eventually(condition: Callable[[], Any], what: str = "") -> None:
    """Wait for a condition that nothing signals, by polling it."""
    pause = threading.Event()
    for _ in range(int(BOUND * 1000)):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError(f"it never came about: {what or condition}")
