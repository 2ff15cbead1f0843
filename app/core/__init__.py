"""What holds for the queue in every store: its types, its rules, and the arithmetic of its schedule."""

from .admission import ASK_AGAIN, admit, check_quota
from .answers import Answer, Answers
from .batches import Batches
from .calls import Call, key_of, merged, parted, refused_together
from .clock import Clock, SystemClock
from .documents import dumps, ingestion_document, timestamp
from .failures import ALL_FAILURES, Failure, FailureFilter, Group, Spot, group_of, grouped
from .ids import LONGEST, Id, Ids, Strings, ids_at, string_fault, to_lines
from .limiter import Level, Limiter, TokenBucket
from .limits import OF_INTERVAL, OF_UPSTREAM, limiter_of, state_of
from .listing import ANY, Filter, Kind
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
    roll_up,
)
from .pace import STEP, Pace
from .rates import Rates, check_rates, interval_bounds, most_burst
from .reports import HOUR, Accuracy, Depth, Dispatch, Estimate, Quote, Stats, Timing, WorkerReport
from .rules import Gate, Wait, check_cancel, check_redrive, is_last, rank_of, room_of
from .schedule import Aside, Place, runs
from .states import COMPLETED, FAILED, NEW, RUNNING, WAITING, count_statuses, states_of, statuses
from .steering import Audit, Steering, steer
from .sweeps import SWEEP_MEMBERS, VERBS, Sweep, SweepFilter, check_sweep, same_sweep, steps
from .timeline import Prospect, Running, Timeline
from .uuids import batch_id, batch_id_parts, batch_position, id_prefix, id_range, ingestion_prefix
from .validation import MEMBERS, are_ids, check_request, past_moment, printable, shown

__all__ = [
    "ALL_FAILURES",
    "ANY",
    "ASK_AGAIN",
    "COMPLETED",
    "FAILED",
    "HOUR",
    "LONGEST",
    "LOST",
    "MEMBERS",
    "NEW",
    "OF_INTERVAL",
    "OF_UPSTREAM",
    "RUNNING",
    "STEP",
    "SWEEP_MEMBERS",
    "VERBS",
    "WAITING",
    "Accuracy",
    "Answer",
    "Answers",
    "Aside",
    "Audit",
    "Batch",
    "BatchError",
    "Batches",
    "Call",
    "Claim",
    "Clock",
    "Counts",
    "Depth",
    "Dispatch",
    "Estimate",
    "Failure",
    "FailureFilter",
    "Filter",
    "Gate",
    "Group",
    "Id",
    "Ids",
    "Ingestion",
    "Kind",
    "Level",
    "Limiter",
    "Measured",
    "Pace",
    "Place",
    "Priority",
    "Prospect",
    "Quote",
    "Rates",
    "Running",
    "Spot",
    "Stats",
    "Status",
    "Steering",
    "Strings",
    "Sweep",
    "SweepFilter",
    "SystemClock",
    "Timeline",
    "Timing",
    "TokenBucket",
    "Wait",
    "WorkerReport",
    "admit",
    "are_ids",
    "batch_count",
    "batch_id",
    "batch_id_parts",
    "batch_position",
    "check_cancel",
    "check_quota",
    "check_rates",
    "check_redrive",
    "check_request",
    "check_sweep",
    "count_statuses",
    "dumps",
    "group_of",
    "grouped",
    "id_prefix",
    "id_range",
    "ids_at",
    "ingestion_document",
    "ingestion_prefix",
    "interval_bounds",
    "is_last",
    "key_of",
    "limiter_of",
    "merged",
    "most_burst",
    "parted",
    "past_moment",
    "printable",
    "rank_of",
    "refused_together",
    "roll_up",
    "room_of",
    "runs",
    "same_sweep",
    "shown",
    "state_of",
    "states_of",
    "statuses",
    "steer",
    "steps",
    "string_fault",
    "timestamp",
    "to_lines",
]
