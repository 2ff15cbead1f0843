"""How long an answer is kept that nobody uses."""

from __future__ import annotations

from app.core import forgotten_by
from tests.support.queueing import settings


def test_it_is_kept_as_long_as_it_may_serve_and_as_its_ingestion() -> None:
    assert forgotten_by(settings(fresh=60, retention=5), 100.0) == 40.0
    assert forgotten_by(settings(fresh=5, retention=60), 100.0) == 40.0
    assert forgotten_by(settings(retention=0.5), 100.0) == 99.5
