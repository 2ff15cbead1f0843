"""Which store the settings ask for."""

from __future__ import annotations

from .clock import Clock
from .config import Settings
from .errors import ConfigError
from .memorystore import MemoryStore
from .store import Store


def open_store(settings: Settings, clock: Clock, name: str) -> Store:
    """The store that STORE names, for the instance `name`. Raises ConfigError where there is none of that kind."""
    if settings.store == "memory://":
        return MemoryStore(settings, clock)
    raise ConfigError(f"{name.upper()}_STORE must be memory://, not {settings.store!r}.")
