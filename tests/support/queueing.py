"""Short words for what store tests do all the time."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

from app.config import Settings
from app.core.models import Batch, Ingestion, Priority
from app.store import Store, Submission, Wait


def settings(**changes: Any) -> Settings:
    """Settings with some fields changed, by their lower-case names."""
    return Settings.read({f"INGEST_{name.upper()}": value for name, value in changes.items()})


def submit(store: Store, ids: Iterable[int], priority: Priority = Priority.MEDIUM, **more: Any) -> Ingestion:
    return store.add(Submission(array("q", ids), priority, **more))[0]


def claimed(store: Store, limit: int = 1) -> list[Batch]:
    """The batches of a claim that must succeed."""
    answer = store.claim(limit)
    assert not isinstance(answer, Wait), f"nothing to claim: {answer}"
    return answer


def blocked(store: Store, limit: int = 1) -> Wait:
    """The wait of a claim that must not succeed."""
    answer = store.claim(limit)
    assert isinstance(answer, Wait), f"claimed {answer}"
    return answer


def finish(store: Store, batch: Batch, data: str = "true") -> Ingestion | None:
    return store.ack(batch, [data] * len(batch.ids))
