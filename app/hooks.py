"""What happens to the queues of a process when it forks, and when it ends."""

from __future__ import annotations

import atexit

# Whoever first looks up a host imports it, a call of the worker's for example. A fork meanwhile would leave the lock of
# that import to the child, held for ever, and each of its requests needs the codec.
import encodings.idna  # noqa: F401
import logging
import os
import time
import weakref
from collections.abc import Callable

from flask import request, request_started
from werkzeug.serving import is_running_from_reloader

from .core import plural
from .service import Service
from .serving import say_what_is_left

logger = logging.getLogger("flask_ingestion")

_services: weakref.WeakSet[Service] = weakref.WeakSet()


def tend(service: Service) -> None:
    """Have a queue follow the process through its forks, and stop with it; warn if it shares nothing with others."""
    _services.add(service)
    if not service.store.durable:
        _at_first_request(service, _warn_of_others)


def _warn_of_others(service: Service) -> None:
    if request.is_multiprocess:
        service.warn_of_others()


def _before_fork() -> None:
    for service in list(_services):
        service.before_fork()


def _after_fork_in_parent() -> None:
    for service in list(_services):
        service.after_fork_in_parent()


def _after_fork_in_child() -> None:
    for service in list(_services):
        if service.after_fork_in_child():
            _at_first_request(service, Service.follow_parent)


def _at_first_request(service: Service, act: Callable[[Service], None]) -> None:
    """Do something to a queue at the next request to its app, whoever answers that."""
    app, reference = service.emitter.app, weakref.ref(service)

    def first_request(*_: object, **__: object) -> None:
        request_started.disconnect(first_request)
        if one := reference():
            act(one)

    request_started.connect(first_request, app, weak=False)
    # The signal keeps what it calls even when the app, which may never answer a request, is dropped.
    weakref.finalize(service, request_started.disconnect, first_request).atexit = False


def _stop_all() -> None:
    """Stop every queue, unless a server has; an interrupt ends the wait for what runs."""
    services = [service for service in _services if not service.shutting_down]
    for service in services:
        service.begin_shutdown()
    try:
        _stop(services)
    except (KeyboardInterrupt, SystemExit):  # a server's handler of a second signal raises either
        for service in services:
            service.stop(0)
    for service in services:
        if service.would_lose and service.store.stats().waiting:
            say_what_is_left(service, f"{service.name!r} ")


def _stop(services: list[Service]) -> None:
    since = time.monotonic()
    # Somebody who has just saved a file waits for the reloader.
    graces = [0.0 if is_running_from_reloader() else service.settings.shutdown_grace for service in services]
    running, longest = sum(service.running for service in services), max(graces, default=0.0)
    if running and longest:
        logger.warning(
            "stopping; %s in process, with %g s to end; an interrupt ends the wait", plural(running, "batch"), longest
        )
    # One after the other, for no thread can be started any more; yet each has only its own time, from now on.
    for service, grace in zip(services, graces, strict=True):
        service.stop(max(0.0, grace - (time.monotonic() - since)))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_stop_all)
