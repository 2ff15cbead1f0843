"""The queue in this process: fast, exact, and gone with it."""

from __future__ import annotations

from .store import MemoryStore

__all__ = [
    "MemoryStore",
]
