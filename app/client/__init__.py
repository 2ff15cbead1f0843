"""The API of a running service, from Python. Needs the standard library alone, AsyncClient httpx too.

ClientError
├── Unreachable    no service answered: absent, too slow, cut off, or something other than this service
├── Refused        the service answered no, and says why
└── TimedOut       what was waited for had not ended when time ran out
"""

from .asynchronous import AsyncClient
from .client import Client
from .documents import (
    Answer,
    Attempt,
    Attempts,
    Batch,
    BatchError,
    Callback,
    Counts,
    Estimate,
    Found,
    Ingestion,
    Quote,
    Result,
    Search,
    StatusPage,
)
from .errors import ClientError, Refused, TimedOut, Unreachable
from .operations import (
    Accuracy,
    Audit,
    CallerDepth,
    Concurrency,
    Depth,
    Depths,
    Dispatch,
    Dispatches,
    Entry,
    FailedId,
    FailureGroup,
    FailureSample,
    Limit,
    Queue,
    Rate,
    Run,
    Sweep,
    SweepCount,
    Upcoming,
    Worker,
)
from .submission import Submission

__all__ = [
    "Accuracy",
    "Answer",
    "AsyncClient",
    "Attempt",
    "Attempts",
    "Audit",
    "Batch",
    "BatchError",
    "Callback",
    "CallerDepth",
    "Client",
    "ClientError",
    "Concurrency",
    "Counts",
    "Depth",
    "Depths",
    "Dispatch",
    "Dispatches",
    "Entry",
    "Estimate",
    "FailedId",
    "FailureGroup",
    "FailureSample",
    "Found",
    "Ingestion",
    "Limit",
    "Queue",
    "Quote",
    "Rate",
    "Refused",
    "Result",
    "Run",
    "Search",
    "StatusPage",
    "Submission",
    "Sweep",
    "SweepCount",
    "TimedOut",
    "Unreachable",
    "Upcoming",
    "Worker",
]
