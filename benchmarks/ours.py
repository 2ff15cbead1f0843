"""Our own parts, set up to be measured inside this process."""

from __future__ import annotations

import contextlib
import tempfile
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from app import ConfigError, IngestionAPI, Priority
from app.config import Settings
from app.core.clock import SystemClock
from app.memory.store import MemoryStore
from app.store import Store, Submission
from app.wiring import open_store

from . import backends
from .series import Unavailable

STORES = ("memory", "sqlite", "postgres")
BATCH_SIZE = Settings.batch_size
FILLING = 8
"""How many threads fill a durable store, each waiting for its own commits."""


@contextlib.contextmanager
def address(kind: str) -> Iterator[str]:
    """The value of STORE for an empty store of one of `STORES`. Raises Unavailable if there is none."""
    with contextlib.ExitStack() as stack:
        if kind == "memory":
            yield "memory://"
        elif kind == "sqlite":
            yield f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory())}/queue.db"
        else:
            yield stack.enter_context(backends.postgres())


@contextlib.contextmanager
def store(kind: str, **settings: Any) -> Iterator[Store]:
    """An empty store of one of `STORES`, with settings by their field names. Raises Unavailable if there is none."""
    with address(kind) as url:
        read = Settings.read(
            {f"INGEST_{key.upper()}": value for key, value in {"max_pending": 0, **settings, "store": url}.items()}
        )
        try:
            opened = open_store(read, SystemClock(), "ingest")
        except ConfigError as error:
            raise Unavailable(f"not available: {error}") from error
        try:
            yield opened
        finally:
            opened.close()


def fill(store: Store, ingestions: int, batches: int) -> list[str]:
    """Add ingestions of `batches` batches each, several at a time as a server would; their ids."""
    ids = array("q", range(1, batches * BATCH_SIZE + 1))

    def add(_: int) -> str:
        return store.add(Submission(ids[:], Priority.MEDIUM))[0].id

    if isinstance(store, MemoryStore):
        return [add(number) for number in range(ingestions)]
    with ThreadPoolExecutor(FILLING) as pool:
        return list(pool.map(add, range(ingestions), chunksize=100))


@contextlib.contextmanager
def queue(**settings: Any) -> Iterator[IngestionAPI]:
    """The extension on a separate app, with settings by their field names; it dispatches once started.

    Raises Unavailable if the store that they name is not available.
    """
    app = Flask("benchmark")
    app.config.update({f"INGEST_{key.upper()}": value for key, value in {"autostart": False, **settings}.items()})
    try:
        extension = IngestionAPI(app)
    except ConfigError as error:
        raise Unavailable(f"not available: {error}") from error
    try:
        yield extension
    finally:
        extension.stop()
        # A PostgreSQL that is asked to end waits for its connections.
        extension.service.store.close()
