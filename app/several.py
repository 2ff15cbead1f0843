"""The settings of a service with several queues: INGEST_ for the whole, `<NAME>_` for each queue."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections.abc import Mapping
from typing import Any

from .config import Settings
from .errors import ConfigError

logger = logging.getLogger("flask_ingestion")

OF_THE_SERVICE = ("HOST", "PORT", "THREADS", "LOG_FORMAT", "ALLOW_OPEN", "TRUSTED_HOSTS", "QUEUES")
"""Settings of the process that serves; what is left is each queue's own."""

SHARED = "STORE"
"""A queue's own, too, but a database can hold several queues: so INGEST_STORE is for those that name none."""

_OF_A_QUEUE = [name for field in dataclasses.fields(Settings) if (name := field.name.upper()) not in OF_THE_SERVICE]


def keys_of_queues(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the keys of the queues that INGEST_QUEUES names, to be read with a prefix of `<NAME>_` each.

    Raises ConfigError for an INGEST_ key that should be a queue's. Only logs a key with a misspelt queue, or a
    queue's key for a setting of the service: in a shared environment it may be another program's.
    """
    prefixes = [Settings.key_of(name) for name in Settings.read(config).queues]
    if not prefixes:
        return {}
    for field in _OF_A_QUEUE:
        if f"INGEST_{field}" in config and field != SHARED:
            listed = ", ".join(f"{prefix}{field}" for prefix in prefixes)
            raise ConfigError(f"INGEST_{field} says nothing beside INGEST_QUEUES; each queue has its own: {listed}.")
    Settings.log_unknown(config)
    shared = f"INGEST_{SHARED}"
    found = {f"{prefix}{SHARED}": config[shared] for prefix in prefixes if shared in config}
    for key, value in config.items():
        prefix = max((one for one in prefixes if key.startswith(one)), key=len, default=None)
        if prefix is None:
            _look_for_a_misspelt_queue(key, prefixes)
        elif (field := key.removeprefix(prefix)) in OF_THE_SERVICE:
            logger.warning("%s is not read: INGEST_%s is for all queues", key, field)
        else:
            found[key] = value
    return found


def _look_for_a_misspelt_queue(key: str, prefixes: list[str]) -> None:
    name = key.removeprefix("INGEST_")
    for field in _OF_A_QUEUE:
        if name.endswith(f"_{field}"):
            if near := difflib.get_close_matches(name.removesuffix(field), prefixes, n=1, cutoff=0.7):
                logger.warning("%s is a key of no queue; did you mean %s%s?", key, near[0], field)
            return
