"""The command line: `flask-ingestion`, and `flask ingestion` beside an app of the host."""

from __future__ import annotations

from .commands import ingestion

__all__ = [
    "ingestion",
]
