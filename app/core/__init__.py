"""What is true of the queue in every store: its words, its rules, and the arithmetic of when."""

from __future__ import annotations

from .batches import COMPLETED, FAILED, NEW, RUNNING, STATUS_OF, WAITING, Batches, statuses
from .clock import Clock, SystemClock
from .limiter import TokenBucket
from .measure import Measured
from .models import (
    LOST,
    Batch,
    BatchError,
    Counts,
    Estimate,
    Ingestion,
    Priority,
    Status,
    batch_count,
    batch_id,
    batch_id_parts,
    roll_up,
)
from .reports import Accuracy, Depth, Dispatch, Quote, Stats
from .timeline import Timeline, admit, check_quota, limit_of, rank_of
from .validation import MEMBERS, check_request, shown

__all__ = [
    "COMPLETED",
    "FAILED",
    "LOST",
    "MEMBERS",
    "NEW",
    "RUNNING",
    "STATUS_OF",
    "WAITING",
    "Accuracy",
    "Batch",
    "BatchError",
    "Batches",
    "Clock",
    "Counts",
    "Depth",
    "Dispatch",
    "Estimate",
    "Ingestion",
    "Measured",
    "Priority",
    "Quote",
    "Stats",
    "Status",
    "SystemClock",
    "Timeline",
    "TokenBucket",
    "admit",
    "batch_count",
    "batch_id",
    "batch_id_parts",
    "check_quota",
    "check_request",
    "limit_of",
    "rank_of",
    "roll_up",
    "shown",
    "statuses",
]
