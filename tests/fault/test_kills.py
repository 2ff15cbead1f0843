"""kill -9 at random moments, of one process and of some among several, and a process that freezes past its lease."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.fault.cluster import CONCURRENCY, Cluster, assert_sound

pytestmark = pytest.mark.realtime

BATCH_SIZE = 3


def kill_over_and_over(address: str, folder: Path, kills: int, **chosen: int) -> None:
    with Cluster(address, folder, **chosen) as cluster:
        for _ in range(kills):
            cluster.pass_time(cluster.random.uniform(0.0, 2.0))
            cluster.kill()
            cluster.restart()
        if chosen:
            cluster.gather(8)
        account = cluster.drain()
    assert_sound(account, in_flight=kills * CONCURRENCY * (BATCH_SIZE if chosen else 1))
    if chosen:
        assert account.calls - account.doubled < account.batches, "batches share calls"


def kill_among_four(address: str, folder: Path, rounds: int) -> None:
    """Two of four are killed repeatedly, a third freezes past its lease, the fourth keeps running."""
    with Cluster(address, folder, 4) as cluster:

        def freeze() -> None:
            for _ in range(max(1, rounds // 3)):
                cluster.freeze(2, 1.6)
                cluster.pass_time(0.5)

        freezer = threading.Thread(target=freeze)
        freezer.start()
        for number in range(rounds):
            cluster.pass_time(cluster.random.uniform(0.0, 1.5))
            cluster.kill(number % 2)
            cluster.restart(number % 2)
        freezer.join()
        account = cluster.drain()
    assert_sound(account, in_flight=(rounds + max(1, rounds // 3)) * CONCURRENCY)


def test_kill_9_loses_nothing(address: str, tmp_path: Path) -> None:
    kill_over_and_over(address, tmp_path, 3)


def test_kill_9_loses_nothing_of_a_call_that_batches_share(address: str, tmp_path: Path) -> None:
    kill_over_and_over(address, tmp_path, 5, fill=1)


def test_kill_9_loses_nothing_of_a_call_filled_with_what_is_not_known(address: str, tmp_path: Path) -> None:
    kill_over_and_over(address, tmp_path, 3, fill=1, fresh=60)


def test_four_processes_keep_one_rate_and_one_order(address: str, tmp_path: Path) -> None:
    kill_among_four(address, tmp_path, 3)


@pytest.mark.soak
def test_kill_9_loses_nothing_two_hundred_times(address: str, tmp_path: Path) -> None:
    kill_over_and_over(address, tmp_path, 200)


@pytest.mark.soak
def test_four_processes_keep_one_rate_and_one_order_for_long(address: str, tmp_path: Path) -> None:
    kill_among_four(address, tmp_path, 60)
