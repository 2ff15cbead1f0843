"""The standalone service: waitress, driven so that it ends without dropping a request."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from flask import Flask

from ..config import Settings
from ..errors import ConfigError, IngestError
from ..service import Service, services_of
from ..web import refuse_open
from .httpd import Server, listen, url
from .logs import log_to_stderr
from .stopping import say_stopping, say_what_is_left
from .tuning import tune_process

logger = logging.getLogger("flask_ingestion")

_REQUEST_GRACE = 5.0
"""Seconds that requests in hand have to be answered, where SHUTDOWN_GRACE is less."""


def run(create_app: Callable[[], Flask]) -> int:
    """Serve the app until SIGTERM or SIGINT, by the settings in the environment; returns the process's exit code.

    0 after an orderly end, 1 if it cannot listen or start, 2 for a wrong setting, each with a sentence on stderr.
    """
    tune_process()
    with StopSignals() as signals:
        try:
            settings = Settings.read(os.environ)
            log_to_stderr(settings.log_format)
            sockets = listen(settings.host, settings.port)
            app = _made(create_app, settings)
        except ConfigError as error:
            return _refuse(error, 2)
        except (IngestError, OSError) as error:
            return _refuse(error, 1)
        return serve(app, sockets, signals)


def _made(create_app: Callable[[], Flask], settings: Settings) -> Flask:
    """Returns the app. Raises ConfigError where it would answer other machines without a key."""
    app = create_app()
    services = services_of(app.extensions)
    try:
        refuse_open(settings, services)
    except ConfigError:
        for service in services:
            service.stop()
        raise
    return app


def serve(
    app: Flask, sockets: Sequence[socket.socket], signals: StopSignals, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Answer requests until a signal comes, or until `is_over`, which is no orderly end; then end in order.

    Claiming stops at once and no connections are accepted. Running batches have SHUTDOWN_GRACE to end, and as long
    as they run, requests that were sent by then are answered.
    """
    services = services_of(app.extensions)
    server = Server(app, sockets, Settings.read(app.config).threads, max(one.settings.max_body for one in services))
    signals.wake = server.wake
    logger.info("serving on %s", ", ".join(map(url, sockets)))
    while not signals.received and not is_over():
        server.turn(1.0)

    for service in services:
        service.begin_shutdown()
    server.stop_listening()
    server.close_idle()
    grace = max(service.settings.shutdown_grace for service in services)
    if signals.received:
        say_stopping(signals.received, services)
    stops = [_Stop(service, server.wake) for service in services]
    for stop in stops:
        stop.start()
    deadline = time.monotonic() + max(grace, _REQUEST_GRACE)
    while (server.close_idle() or not all(stop.over for stop in stops)) and (left := deadline - time.monotonic()) > 0:
        server.turn(min(1.0, left))
    for stop in stops:
        stop.join(_REQUEST_GRACE)
    server.close()
    if late := not all(stop.over for stop in stops):
        logger.error("the worker did not stop in time")
    for service, stop in zip(services, stops, strict=True):
        if stop.over:  # else its store hangs, too, and the end of the process would wait for it
            say_what_is_left(service, f"{service.name!r} " if len(services) > 1 else "")
    return 1 if late or any(stop.failed for stop in stops) or not signals.received else 0


def stop_in_time(service: Service) -> bool:
    """Stop a service that answers nobody; returns whether it did in time, which it does not where its store hangs."""
    service.begin_shutdown()
    stop = _Stop(service, lambda: None)
    stop.start()
    stop.join(service.settings.shutdown_grace + _REQUEST_GRACE)
    if not stop.over:
        logger.error("the worker did not stop in time")
    return stop.over and not stop.failed


class _Stop(threading.Thread):
    """Stops a service; `wake` is called once that is `over`, which the thread itself is a moment later."""

    def __init__(self, service: Service, wake: Callable[[], None]) -> None:
        super().__init__(name=f"{service.name}-stop", daemon=True)
        self.over = self.failed = False
        self._service = service
        self._wake = wake

    def run(self) -> None:
        try:
            self._service.stop()
        except Exception:
            logger.exception("the worker could not be stopped")
            self.failed = True
        finally:
            self.over = True
            self._wake()


class StopSignals:
    """Remembers SIGTERM or SIGINT and wakes whoever waits. A second one ends the process at once."""

    def __init__(self) -> None:
        self.received = ""
        self.wake: Callable[[], None] = lambda: None

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self.receive) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, is_over: Callable[[], bool]) -> None:
        """Return once a signal came, or within a second of `is_over`."""
        # A signal handler may interrupt this thread while it waits; SimpleQueue is the queue that allows it.
        woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.wake = lambda: woken.put(None)
        while not self.received and not is_over():
            with suppress(queue.Empty):
                woken.get(timeout=1.0)

    def receive(self, number: int, _: FrameType | None = None) -> None:
        """Note the signal and wake whoever waits; a second one ends the process."""
        if self.received:
            os._exit(128 + number)
        self.received = signal.Signals(number).name
        self.wake()


def _refuse(error: Exception, code: int) -> int:
    print(f"flask_ingestion: {error}", file=sys.stderr)
    return code
