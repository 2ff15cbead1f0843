"""A queue in front of a slow, rate-limited upstream, as a Flask service or inside your own app."""

from __future__ import annotations

if __name__ == "app":  # a checkout: every module is made once, under its installed name
    from .naming import unite

    unite(__name__)

import os
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flask import Flask

from .config import Settings
from .core import Batch, BatchError, Counts, Estimate, Ingestion, Priority, Quote, Status, Timing
from .dashboard import add_docs
from .errors import (
    BacklogFull,
    ConfigError,
    Conflict,
    HoldQueue,
    IngestError,
    InvalidRequest,
    KeyInUse,
    KeyReused,
    PermanentError,
    QuotaFull,
    Refusal,
    StoreUnavailable,
    TooLate,
    UnknownIngestion,
    UnknownWorker,
)
from .extension import IngestionAPI
from .naming import release
from .processors import Failed, current_batch, current_batches, hold_queue, slow_down
from .several import keys_of_queues
from .signals import (
    batch_completed,
    batch_failed,
    batch_retried,
    batch_started,
    ingestion_accepted,
    ingestion_finished,
    ingestion_refused,
    queue_held,
)
from .web import add_index, check_hosts, description_of_all, make_joint

if TYPE_CHECKING:
    from .client import AsyncClient, Client

__version__ = release()

__all__ = [
    "AsyncClient",
    "BacklogFull",
    "Batch",
    "BatchError",
    "Client",
    "ConfigError",
    "Conflict",
    "Counts",
    "Estimate",
    "Failed",
    "HoldQueue",
    "IngestError",
    "Ingestion",
    "IngestionAPI",
    "InvalidRequest",
    "KeyInUse",
    "KeyReused",
    "PermanentError",
    "Priority",
    "QuotaFull",
    "Quote",
    "Refusal",
    "Status",
    "StoreUnavailable",
    "Timing",
    "TooLate",
    "UnknownIngestion",
    "UnknownWorker",
    "__version__",
    "batch_completed",
    "batch_failed",
    "batch_retried",
    "batch_started",
    "create_app",
    "current_batch",
    "current_batches",
    "hold_queue",
    "ingestion_accepted",
    "ingestion_finished",
    "ingestion_refused",
    "queue_held",
    "slow_down",
]

_CLIENTS = ("AsyncClient", "Client")


def __getattr__(name: str) -> Any:
    """Import a client when somebody asks for it: a service needs none."""
    if name not in _CLIENTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".client", __name__), name)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Returns the standalone service. Settings come from `INGEST_` keys in `config`, else from the environment.

    With INGEST_QUEUES it has several queues, each with settings under its own name. Starts the workers, where this
    process is one that serves. Raises ConfigError for a wrong setting.
    """
    app = Flask("flask_ingestion", static_folder=None)
    app.config.update({key: value for key, value in os.environ.items() if key.startswith("INGEST_")})
    app.config.update(config or {})
    app.config.update(keys_of_queues({**os.environ, **app.config}))
    whole = Settings.read(app.config)
    if whole.queues:
        services = [IngestionAPI(app, name=name, url_prefix=f"/{name}").service for name in whole.queues]
        joint, describe = make_joint(app, services), partial(description_of_all, services)
        static = f"{whole.queues[0]}.dashboard.static"
        add_docs(joint, ", ".join(whole.queues), describe, overview=".dashboard", static=static)
        app.register_blueprint(joint)
    else:
        add_index(app)
        services = [IngestionAPI(app).service]
    check_hosts(app, whole, keyed=all(service.settings.api_keys for service in services))
    for service in services:
        service.ensure_started()
    return app
