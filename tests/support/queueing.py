"""Shorthands for what store tests do all the time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from app.config import Settings
from app.core import BatchError, Claim, Estimate, Ingestion, Priority, Wait, WorkerReport
from app.outcomes import Outcome
from app.store import Store, Submission


def settings(**changes: Any) -> Settings:
    """Settings with some fields changed, by their lower-case names."""
    return Settings.read({f"INGEST_{name.upper()}": value for name, value in changes.items()})


def submit(store: Store, ids: Iterable[int], priority: Priority = Priority.MEDIUM, **more: Any) -> Ingestion:
    return store.add(Submission(array("q", ids), priority, **more))[0]


def worked_elsewhere(store: Store, *, slots: int = 4, abandoned: int = 0) -> None:
    """Have the worker of another process report, so that the queue is not stalled."""
    store.report(WorkerReport("elsewhere", "a-host", 4711, "1.2.3", slots, 0, abandoned))


def claimed(store: Store, limit: int = 1) -> list[Claim]:
    """The claims of a call that must succeed."""
    answer = store.claim(limit)
    assert not isinstance(answer, Wait), f"nothing to claim: {answer}"
    return answer


def blocked(store: Store, limit: int = 1) -> Wait:
    """The wait of a claim that must not succeed."""
    answer = store.claim(limit)
    assert isinstance(answer, Wait), f"claimed {answer}"
    return answer


def ended(store: Store, claim: Claim, outcome: Outcome) -> Ingestion | None:
    """The ingestion after an outcome, None if the claim was lost."""
    found = store.end(claim, outcome)
    return found.ingestion if found else None


def ack(store: Store, claim: Claim, results: Sequence[str]) -> Ingestion | None:
    return ended(store, claim, Outcome.ack(results))


def retry(store: Store, claim: Claim, error: BatchError, delay: float) -> Ingestion | None:
    return ended(store, claim, Outcome.retry(error, delay))


def bury(store: Store, claim: Claim, error: BatchError) -> Ingestion | None:
    return ended(store, claim, Outcome.bury(error))


def release(store: Store, claim: Claim, delay: float = 0.0) -> Ingestion | None:
    return ended(store, claim, Outcome.release(delay))


def proceed(store: Store, claim: Claim, results: Sequence[str]) -> tuple[Ingestion | None, list[Claim] | Wait]:
    found, claimed = store.proceed(claim, Outcome.ack(results))
    return found.ingestion if found else None, claimed


def estimate_of(store: Store, ingestion_id: str) -> Estimate | None:
    return store.status(ingestion_id, limit=0)[1]


def finish(store: Store, claim: Claim, data: str = "true") -> Ingestion | None:
    return ack(store, claim, [data] * len(claim.batch.ids))
