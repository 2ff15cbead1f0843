"""The courier: the daemon thread that sends callbacks, one after the other."""

from __future__ import annotations

import functools
import logging
import ssl
import time

from ..config import Settings
from ..core import Clock
from ..daemon import Daemon
from ..receivers import Address, address_of
from .message import Callback, CallbackState, Delivery, headers_of
from .outbox import Outbox
from .post import Post
from .rests import Rests
from .schedule import DAY, wait_after

logger = logging.getLogger("flask_ingestion")

_MARGIN = 20.0
"""Seconds beyond WEBHOOK_TIMEOUT after which an attempt counts as lost with its process."""

_GONE = 410
"""The status by which a receiver says that it wants nothing more (RFC 9110, section 15.5.11)."""

_STOPPED = "The service stopped before there was an answer."


class Courier(Daemon):
    """Sends what is due in an outbox, beside the worker: it holds up no batch, whatever a receiver does.

    A host that does not answer rests, 5 minutes at most; so one that hangs costs the others one WEBHOOK_TIMEOUT
    now and then, however many callbacks it has. `sent` and `failed` count what this process ended.
    """

    kind = "courier"
    loss = "no callback is sent any more"
    work = "callbacks"

    def __init__(self, name: str, outbox: Outbox, settings: Settings, clock: Clock) -> None:
        super().__init__(name, clock)
        self.sent = 0
        self.failed = 0
        self._outbox = outbox
        self._settings = settings
        self._lease = settings.webhook_timeout + _MARGIN
        self._rests = Rests(one_host=not settings.webhook_hosts)
        # Made once: it reads all certificates of the machine, which takes some 30 ms of processor time.
        self._trusted = functools.cache(ssl.create_default_context)
        self._post: Post | None = None

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and cut off the attempt under way after `seconds`. What is pending stays so."""
        if (thread := self._end_soon()) is None:
            return
        thread.join(seconds)
        if (post := self._post) is not None:
            post.cut(_STOPPED)
            thread.join(seconds)

    def _next(self) -> float | None:
        """Send one callback that is due, if there is one; returns in how many seconds to look again."""
        found = self._outbox.claim(self._lease)
        if not isinstance(found, Callback):
            return found
        delivery = self._deliver(found)
        if self._outbox.end(found, delivery):
            self._report(found, delivery)
        return 0.0

    def _deliver(self, callback: Callback) -> Delivery:
        try:
            address = self._address(callback)
        except ValueError as refusal:
            return Delivery(CallbackState.FAILED, str(refusal))
        began = self._clock.now()
        if not callback.is_redriven and (rest := self._rests.wait(address, began)):
            wait, why, since = rest
            if began - max(since, callback.since) > DAY:
                return Delivery(CallbackState.FAILED, why, counted=False)
            return Delivery(CallbackState.PENDING, why, wait, counted=False)
        status, error = self._send(callback, address)
        if error != _STOPPED:
            self._rests.note(address, status, error, began, self._clock.now())
        if not error:
            return Delivery(CallbackState.SENT)
        wait = wait_after(elapsed := callback.elapsed(self._lease))
        if status == _GONE or elapsed + wait > DAY:
            return Delivery(CallbackState.FAILED, error)
        return Delivery(CallbackState.PENDING, error, wait)

    def _address(self, callback: Callback) -> Address:
        """Returns where to send it, by the present settings. Raises ValueError if they no longer allow it."""
        if callback.url is None:
            if not self._settings.webhook_url:
                raise ValueError(f"{Settings.key_of(self._name, 'webhook_url')} is not set any more.")
            return address_of(self._settings.webhook_url)
        address = address_of(callback.url)
        if not address.is_among(self._settings.webhook_hosts):
            raise ValueError(f"{address.host} is not in {Settings.key_of(self._name, 'webhook_hosts')} any more.")
        return address

    def _send(self, callback: Callback, address: Address) -> tuple[int, str]:
        """Returns the status of the answer, 0 for none, and what went wrong, nothing if all is well."""
        if self._stopping.is_set():
            return 0, _STOPPED
        timeout = self._settings.webhook_timeout
        # The time of a signature is the machine's: receivers hold it against their own clocks, and refuse old ones.
        headers = headers_of(callback, self._settings.webhook_secret, time.time())
        post = self._post = Post(address, headers, callback.body.encode(), timeout, self._trusted)
        try:
            post.start(f"{self._name}-callback")
        except RuntimeError as error:
            post.cut(f"No thread could be started: {error}.")
        if not self._clock.wait(post.over, timeout):
            post.cut(f"{address.host} did not answer within {timeout:g} s.")
        self._post = None
        return post.status, post.error

    def _report(self, callback: Callback, delivery: Delivery) -> None:
        level, outcome = logging.WARNING, f"goes again in {delivery.delay:.0f} s: {delivery.error}"
        if delivery.state is CallbackState.SENT:
            self.sent += 1
            level, outcome = logging.INFO, "is sent"
        elif delivery.state is CallbackState.FAILED:
            self.failed += 1
            level, outcome = logging.ERROR, f"failed: {delivery.error}"
        elif not delivery.counted:
            level = logging.DEBUG
        more = {"ingestion_id": callback.ingestion_id}
        logger.log(level, "callback %s of ingestion %s %s", callback.id, callback.ingestion_id, outcome, extra=more)
