"""The queue in this process: fast, exact, and lost when the process ends."""

from __future__ import annotations

from .store import MemoryStore

__all__ = [
    "MemoryStore",
]
