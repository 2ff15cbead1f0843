"""The worker that a request for more or fewer batches at once names."""

from __future__ import annotations

import pytest

from app.core import WorkerReport, named_worker
from app.errors import UnknownWorker

WORKERS = [WorkerReport(f"{number}" * 8, "here", number, "0.2.0", 4, 0, 0) for number in (1, 2)]


def test_by_its_host_its_id_or_the_beginning_of_that() -> None:
    assert named_worker(None, WORKERS) is None
    assert named_worker("here", WORKERS) == "here"
    assert named_worker("1", WORKERS) == named_worker("1" * 8, WORKERS) == "1" * 8


@pytest.mark.parametrize("text", ["", "x" * 61, "3"])
def test_any_other_is_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(UnknownWorker) as refused:
        named_worker(text, WORKERS)
    those = "those that work on it are: 11111111 on here, 22222222 on here."
    assert str(refused.value) == f"{text[:60]!r} is no worker or host of this queue; {those}"
    with pytest.raises(UnknownWorker, match="those that work on it are: none"):
        named_worker(text, [])
