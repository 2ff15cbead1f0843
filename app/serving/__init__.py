"""The standalone service: waitress, its log, and which process dispatches."""

from __future__ import annotations

from .process import will_serve

__all__ = [
    "will_serve",
]
