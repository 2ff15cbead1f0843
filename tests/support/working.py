"""What tests of the worker have in common: a processor that waits, threads, and what is logged."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.host import BOUND, Host


class Gate:
    """A processor that blocks on chosen ids until it is let through."""

    def __init__(self, *held: int) -> None:
        self.held = set(held)
        self.calls: list[Sequence[int]] = []
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, ids: Sequence[int]) -> list[str]:
        self.calls.append(ids)
        self.entered.release()
        if not self.held or self.held & set(ids):
            assert self.opened.wait(BOUND)
            if self.error:
                raise self.error
        return ["done"] * len(ids)

    def wait_for_a_call(self) -> None:
        assert self.entered.acquire(timeout=BOUND)


def echo(ids: Sequence[int]) -> dict[int, int]:
    return {one: one for one in ids}


def in_a_thread(call: Callable[[], Any], name: str | None = None) -> threading.Thread:
    thread = threading.Thread(target=call, name=name, daemon=True)
    thread.start()
    return thread


def joined(thread: threading.Thread) -> None:
    thread.join(BOUND)
    assert not thread.is_alive()


def batch_threads(host: Host) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"{host.ingestion.name}-batch"]


def traceback_of(records: Sequence[logging.LogRecord], message: str) -> list[str]:
    """The exceptions logged with a message that holds these words."""
    found = [record for record in records if message in record.getMessage()]
    return [str(record.exc_info[1]) if record.exc_info else "" for record in found]
