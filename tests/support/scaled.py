"""The service on a clock that runs faster than time: `python -m tests.support.scaled 10`."""

from __future__ import annotations

import os
import sys
import threading
import time

from flask import Flask

from app import IngestionAPI
from app.serving.server import run


class ScaledClock:
    """The real clock, `scale` times as fast."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._began = time.time()
        self._offset = time.monotonic()

    def now(self) -> float:
        return self._began + (time.monotonic() - self._offset) * self._scale

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else min(seconds / self._scale, threading.TIMEOUT_MAX))


def make() -> Flask:
    app = Flask("flask_ingestion")
    app.config.update({key: value for key, value in os.environ.items() if key.startswith("INGEST_")})
    ingestion = IngestionAPI()
    ingestion.init_app(app, clock=ScaledClock(float(sys.argv[1])))
    return app


if __name__ == "__main__":
    raise SystemExit(run(make))
