"""An app with a dashboard on a real port, on time that a test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app import IngestionAPI
from app.core import Wait
from app.core.models import Batch, BatchError, Ingestion, Priority
from app.service import Service
from tests.support.clock import FakeClock
from tests.support.queueing import ack, bury

REFUSED = BatchError(
    "PermanentError", 'The upstream upstream.example answered 404 to GET /items: {"error": "no such item"}'
)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


class Site:
    """A served app. Where `works` is false nothing is dispatched but by `drive`; `others` names queues beside it.

    `config` holds keys of theirs.
    """

    def __init__(
        self,
        *,
        prefix: str | None = "/jobs",
        works: bool = False,
        others: Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.app = Flask("host")
        self.app.config.update(config or {})
        for name, value in {"autostart": works, **settings}.items():
            self.app.config[f"INGEST_{name.upper()}"] = value
        self.released = threading.Event()
        self.entered = threading.Semaphore(0)
        self.extension = IngestionAPI()
        self.extension.init_app(self.app, url_prefix=prefix, clock=self.clock)
        self.others: dict[str, IngestionAPI] = {}
        for name in others:
            self.app.config[f"{name.upper()}_AUTOSTART"] = False
            self.others[name] = IngestionAPI(name=name)
            self.others[name].init_app(self.app, url_prefix=f"/{name}", clock=self.clock)
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix or ''}/dashboard"

    @property
    def service(self) -> Service:
        return self.extension.service

    def work(self, running: int = 0) -> None:
        """Start the worker with a processor that waits, and wait until it has `running` batches in hand."""

        def wait(_ids: Sequence[int]) -> None:
            self.entered.release()
            self.released.wait()

        self.extension.processor(wait)
        self.extension.start()
        for _ in range(running):
            assert self.entered.acquire(timeout=10), "the worker did not come for a batch"

    def submit(self, ids: Iterable[int], priority: Priority = Priority.MEDIUM) -> Ingestion:
        return self.extension.submit(ids, priority)

    def drive(
        self, steps: int, *, seconds: float | None = None, end: Callable[[Batch, int], BatchError | None] | None = None
    ) -> list[Batch]:
        """Dispatch `steps` times without a worker, `seconds` apart; `end` says which batch fails, and how."""
        store, found = self.service.store, []
        for step in range(steps):
            answer = store.claim(1)
            if not isinstance(answer, Wait):
                for claim in answer:
                    error = end(claim.batch, step) if end else None
                    if error:
                        bury(store, claim, error)
                    else:
                        ack(store, claim, [])
                    found.append(claim.batch)
            self.clock.advance(self.service.settings.interval if seconds is None else seconds)
        return found

    def close(self) -> None:
        self.released.set()
        for one in (self.extension, *self.others.values()):
            one.stop(grace=0)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
