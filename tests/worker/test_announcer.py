"""Calls that hold up nobody."""

from __future__ import annotations

import logging
import threading
import weakref

import pytest

from app.worker.announcer import Announcer
from tests.support.host import BOUND, eventually


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "test-announcer"]


def test_calls_are_made_one_after_the_other_whatever_is_raised(caplog: pytest.LogCaptureFixture) -> None:
    announcer, made = Announcer("test"), list[int]()

    def call(number: int) -> None:
        made.append(number)
        if number % 2:
            raise KeyboardInterrupt

    assert threads() == []
    for number in range(4):
        announcer.put(lambda number=number: call(number))  # type: ignore[misc]
    (thread,) = threads()
    assert thread.daemon
    announcer.stop(BOUND)
    assert made == [0, 1, 2, 3]
    assert threads() == []
    told = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert [record.getMessage() for record in told] == ["an announcement of 'test' was cut off"] * 2
    assert all(record.exc_info for record in told)
    announcer.put(lambda: made.append(4))
    announcer.stop(BOUND)
    assert made[4:] == [4]


def test_one_that_never_returns_holds_up_a_stop_for_its_seconds_only() -> None:
    announcer, free = Announcer("test"), threading.Event()
    announcer.put(lambda: free.wait(BOUND) and None)
    (thread,) = threads()
    announcer.stop(0.01)
    assert thread.is_alive()
    free.set()
    thread.join(BOUND)
    assert not thread.is_alive()


def test_while_it_waits_it_keeps_nothing_alive() -> None:
    class App:
        def call(self) -> None:
            pass

    announcer, app = Announcer("test"), App()
    kept = weakref.ref(app)
    announcer.put(app.call)
    del app
    eventually(lambda: kept() is None)
    assert len(threads()) == 1
    announcer.stop(BOUND)


def test_its_thread_ends_once_it_is_dropped() -> None:
    announcer, made = Announcer("test"), list[int]()
    announcer.put(lambda: made.append(1))
    (thread,) = threads()
    del announcer
    thread.join(BOUND)
    assert made == [1]
    assert threads() == []


def test_a_call_may_stop_it() -> None:
    announcer, over = Announcer("test"), threading.Event()

    def call() -> None:
        announcer.stop(BOUND)
        over.set()

    announcer.put(call)
    assert over.wait(BOUND)
    announcer.stop(BOUND)


def test_without_a_thread_a_call_is_dropped_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    announcer, made = Announcer("test"), list[int]()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        announcer.put(lambda: made.append(1))
    assert "an announcement of 'test' is dropped, no thread could be started: can't start new thread" in caplog.text
    announcer.put(lambda: made.append(2))
    announcer.stop(BOUND)
    assert made == [2]
