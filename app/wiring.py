"""The store and the processor that the settings name. Imports an extra only where a setting asks for it."""

from __future__ import annotations

import logging
from dataclasses import replace

from .config import Settings
from .core import Clock, SystemClock
from .errors import ConfigError, StoreUnavailable
from .memory import MemoryStore
from .processors import Processor, imported
from .store import Store

logger = logging.getLogger("flask_ingestion")


def open_store(settings: Settings, clock: Clock, name: str) -> Store:
    """Returns the store that STORE names, for the instance `name`.

    A database that cannot be reached yet is tried again with every use. Raises ConfigError for an unknown kind of
    store, a missing extra, and a database that belongs to a newer release.
    """
    if settings.store == "memory://":
        return MemoryStore(settings, clock)
    key = Settings.key_of(name, "store")
    scheme = settings.store.partition(":")[0]
    if scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        raise ConfigError(f"{key} must be memory://, sqlite:///… or postgresql+psycopg://…, not {scheme}:.")
    extra = "sql" if scheme.startswith("sqlite") else "postgres"
    try:
        from .sql import SQLStore

        # Processes that share a queue share the database's clock; another one, or one that stands still, is for tests.
        stands_still = isinstance(clock, SystemClock) and clock.stands_still
        if stands_still:
            settings = replace(settings, store_poll=0.0)  # no other process has this time
        runs = isinstance(clock, SystemClock) and not stands_still
        store = SQLStore(settings, None if runs else clock, name)
    except ImportError as error:
        raise ConfigError(
            f"{key} names {scheme}: but {error.name} is not installed: pip install Flask-Ingestion[{extra}]"
        ) from error
    try:
        store.prepare()
    except StoreUnavailable as error:
        logger.warning("the store of %r cannot be used yet: %s", name, error)
    except Exception:
        store.close()
        raise
    return store


def load_processor(settings: Settings, prefix: str = "INGEST_") -> Processor | None:
    """Returns the processor that the settings name, None where they name none.

    Raises ConfigError, which names the key, for one that cannot be loaded.
    """
    if settings.processor:
        return imported(settings.processor, f"{prefix}PROCESSOR")
    if not settings.upstream_url:
        return None
    try:
        from .processors.http import HttpUpstream
    except ModuleNotFoundError as error:
        if error.name not in ("urllib3", "jmespath"):
            raise
        raise ConfigError(
            f"{prefix}UPSTREAM_URL needs the package {error.name}: pip install 'Flask-Ingestion[http]'."
        ) from None
    return HttpUpstream(settings, prefix)
