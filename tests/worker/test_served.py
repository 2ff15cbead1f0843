"""Batches that need no call, told of by a worker that is busy with others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.support.host import BOUND, Host, eventually

Serve = Callable[..., Host]


class Doors:
    """A processor that answers each id once its door is open."""

    def __init__(self) -> None:
        self._doors = {one: threading.Event() for one in range(1, 10)}
        self.asked: list[int] = []

    def open(self, *ids: int) -> None:
        for one in ids:
            self._doors[one].set()

    def __call__(self, ids: Sequence[int]) -> dict[int, str]:
        self.asked += ids
        for one in ids:
            assert self._doors[one].wait(BOUND)
        return dict.fromkeys(ids, "fine")


@pytest.fixture
def doors() -> Any:
    doors = Doors()
    yield doors
    doors.open(*range(1, 10))


@pytest.mark.parametrize("heard", [True, False])
def test_they_are_told_of_while_the_thread_that_found_them_works_on(
    serve: Serve, doors: Doors, caplog: pytest.LogCaptureFixture, heard: bool
) -> None:
    caplog.set_level(logging.INFO, "flask_ingestion")
    host = serve(doors, fresh=0, interval=0, concurrency=1, batch_size=1)
    if not heard:
        host.heard.stop_listening()  # With a receiver of batch_completed, an ack would not claim.
    host.submit([1])
    eventually(lambda: doors.asked == [1])
    served = host.submit([1])
    host.submit([2])
    doors.open(1)
    eventually(lambda: doors.asked == [1, 2])
    eventually(lambda: f"of ingestion {served.id} needs no call: all that it asks is known" in caplog.text)
    eventually(lambda: f"ingestion {served.id} ended: completed" in caplog.text)
    if heard:
        told = host.heard.until("completed", 2)[-1]
        assert (told["batch"].ingestion_id, told["attempt"].duration) == (served.id, 0)


def test_the_end_of_an_ingestion_is_told_with_its_last_batch(serve: Serve, doors: Doors) -> None:
    host = serve(doors, fresh=0, interval=0, concurrency=1, batch_size=1)
    host.submit([1])
    eventually(lambda: doors.asked == [1])
    served = host.submit([1, 2])
    doors.open(1)
    host.heard.until("completed", 2)
    eventually(lambda: doors.asked == [1, 2])
    assert [one["ingestion"].id for one in host.heard.all("finished")].count(served.id) == 0
    doors.open(2)
    host.finished(served.id)
    assert [one["ingestion"].id for one in host.heard.all("finished")].count(served.id) == 1
