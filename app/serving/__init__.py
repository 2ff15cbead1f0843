"""The standalone service: waitress, its log, its process, and which process dispatches."""

from __future__ import annotations

from .logs import log_to_stderr
from .process import will_serve
from .tuning import tune_process

__all__ = [
    "log_to_stderr",
    "tune_process",
    "will_serve",
]
