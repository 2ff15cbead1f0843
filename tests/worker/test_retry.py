"""When, if ever, a failed batch is retried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidResult, PermanentError, UpstreamError
from app.worker.retry import RetryPolicy
from tests.support.queueing import settings


def policy(draw: float = 1.0, **changes: float) -> RetryPolicy:
    kept = {"max_attempts": 9, "backoff": 2.0, "backoff_max": 60.0} | changes
    return RetryPolicy(**kept, draw=lambda: draw)  # type: ignore[arg-type]


def test_the_bound_doubles_up_to_its_own() -> None:
    assert [policy().delay(attempt, OSError()) for attempt in range(1, 9)] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_the_jitter_is_a_share_of_the_whole_bound() -> None:
    assert [policy(draw).delay(3, OSError()) for draw in (0.0, 0.25, 1.0)] == [0, 2, 8]


def test_by_default_the_share_is_random() -> None:
    drawn = {RetryPolicy(9, 8.0, 60.0).delay(1, OSError()) for _ in range(50)}
    assert len(drawn) > 40
    assert all(delay is not None and 0 <= delay <= 8 for delay in drawn)


@pytest.mark.parametrize("error", [OSError(), UpstreamError(), TimeoutError(), SystemExit(), KeyboardInterrupt()])
def test_the_last_attempt_is_the_last(error: BaseException) -> None:
    assert policy(max_attempts=3).delay(2, error) is not None
    assert policy(max_attempts=3).delay(3, error) is None
    assert policy(max_attempts=3).delay(4, error) is None


@pytest.mark.parametrize("error", [PermanentError(), InvalidResult()])
def test_what_is_permanent_is_not_tried_again(error: PermanentError) -> None:
    assert policy().delay(1, error) is None


@given(st.integers(1, 10**7), st.floats(0, 1e300), st.floats(0, 1e300), st.floats(0, 1))
def test_no_attempt_is_too_many_for_it(attempt: int, backoff: float, most: float, draw: float) -> None:
    delay = policy(draw, max_attempts=10**9, backoff=backoff, backoff_max=most).delay(attempt, OSError())
    assert delay is not None
    assert 0 <= delay <= most


def test_it_follows_the_settings() -> None:
    made = RetryPolicy.of(settings(max_attempts=7, backoff=3, backoff_max=4))
    assert (made.max_attempts, made.backoff, made.backoff_max) == (7, 3.0, 4.0)
