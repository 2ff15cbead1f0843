"""What holds for the queue in every store: its types, its rules, and the arithmetic of its schedule."""

from .admission import ASK_AGAIN, admit, check_quota
from .batches import Batches
from .clock import Clock, SystemClock
from .limiter import TokenBucket
from .measure import Measured
from .models import (
    LOST,
    Batch,
    BatchError,
    Claim,
    Counts,
    Ingestion,
    Priority,
    Status,
    batch_count,
    batch_id,
    batch_id_parts,
    roll_up,
)
from .reports import Accuracy, Depth, Dispatch, Estimate, Quote, Stats, Timing, WorkerReport
from .rules import Gate, Wait, check_cancel, check_redrive, is_last, rank_of
from .schedule import Aside, Place, runs
from .states import COMPLETED, FAILED, NEW, RUNNING, WAITING, count_statuses, statuses
from .timeline import Prospect, Running, Timeline
from .validation import MEMBERS, check_request, shown

__all__ = [
    "ASK_AGAIN",
    "COMPLETED",
    "FAILED",
    "LOST",
    "MEMBERS",
    "NEW",
    "RUNNING",
    "WAITING",
    "Accuracy",
    "Aside",
    "Batch",
    "BatchError",
    "Batches",
    "Claim",
    "Clock",
    "Counts",
    "Depth",
    "Dispatch",
    "Estimate",
    "Gate",
    "Ingestion",
    "Measured",
    "Place",
    "Priority",
    "Prospect",
    "Quote",
    "Running",
    "Stats",
    "Status",
    "SystemClock",
    "Timeline",
    "Timing",
    "TokenBucket",
    "Wait",
    "WorkerReport",
    "admit",
    "batch_count",
    "batch_id",
    "batch_id_parts",
    "check_cancel",
    "check_quota",
    "check_redrive",
    "check_request",
    "count_statuses",
    "is_last",
    "rank_of",
    "roll_up",
    "runs",
    "shown",
    "statuses",
]
