"""The standalone service: waitress, its log, its process, and which process dispatches."""

from __future__ import annotations

from .logs import log_to_stderr
from .process import refuse_blind_forks, will_serve
from .stopping import say_what_is_left
from .tuning import tune_process

__all__ = [
    "log_to_stderr",
    "refuse_blind_forks",
    "say_what_is_left",
    "tune_process",
    "will_serve",
]
