"""One connection of waitress: what is refused on it, and how long its client may keep others waiting."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from socket import SHUT_WR
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import BadRequest, Error

from ..web import problem
from .incoming import Incoming, TooSlow

_ANSWER_PATIENCE = 30.0
"""Seconds in which a client takes at least something of what it is answered, while others wait for a thread."""

_LINGER = 30.0
"""Seconds for which a client may go on to send what is refused already."""

_TLS = b"\x16\x03"
"""How a TLS handshake begins (RFC 8446, section 5.1)."""

logger = logging.getLogger("flask_ingestion")


class _Request(WSGITask):  # type: ignore[misc]
    """A request whose answer announces the end of its connection."""

    def build_response_header(self) -> Any:
        if self.channel.server.ending and len(self.channel.requests) == 1:
            self.request.headers["CONNECTION"] = "close"
        return super().build_response_header()


class _Problem(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses, as a problem document (RFC 9457) like every other error."""

    _DETAILS = {  # noqa: RUF012
        413: "The body is larger than this service takes; send the ids in several requests.",
        431: "The header fields are larger than this service takes.",
    }

    def execute(self) -> None:
        error = self.request.error
        detail = self._DETAILS.get(error.code, error.body)
        response = problem(error.code, detail, retry_after=1 if error.code == 503 else None)
        self.status = response.status
        names = "Content-Type", "Retry-After"
        self.response_headers += [(name, response.headers[name]) for name in names if name in response.headers]
        self.set_close_on_finish()
        self.channel.unread = True
        body = response.get_data()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; its `server` says whether it is `ending`, and has `make_room` for bodies."""

    task_class = _Request
    error_task_class = _Problem
    parser_class = Incoming

    will_close: bool

    request: Incoming | None
    """What has arrived of a request that is not whole."""

    unread = False
    """Whether its client may still be sending what was refused."""

    lingers_until: float | None = None
    """When it is closed, if its client has not closed it by then."""

    put_off = False
    """Whether its next request waits until the answers before are taken."""

    def received(self, data: bytes) -> bool:
        """Take what a client sent.

        A TLS handshake is refused at once: as a request it has no end, so its client would wait until it gives up.
        """
        if self.lingers_until is not None:
            return True
        if self.request is None and data.startswith(_TLS):
            self.refuse(BadRequest("This port takes http://, not https://."))
            return True
        taken = bool(super().received(data))
        if self.request is not None and self.request.body_rcv is not None:
            self.server.make_room()
        return taken

    def refuse(self, error: Error) -> None:
        """Answer what has arrived of a request with an error, and close the connection."""
        refused = self.parser_class(self.adj)
        refused.error = error
        with self.requests_lock:
            self._forget()
            self.requests.append(refused)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def _forget(self) -> None:
        if self.request is not None:
            self.request.close()
            self.request = None

    def service(self) -> None:
        """Answer the next request, but not before its client has taken the answers to those that it sent before.

        waitress lets the thread wait for that, so a few clients that take nothing would keep all threads.
        """
        with self.outbuf_lock:
            self.put_off = self.total_outbufs_len > 0
        if not self.put_off:
            super().service()

    def handle_write(self) -> None:
        """Send what there is to send."""
        super().handle_write()
        self._go_on()

    def handle_close(self) -> None:
        """Close the connection, after a refusal once its client has done so, too.

        Were it closed while the client sends, the client's system would drop the answer (RFC 9112, section 9.6).
        """
        if self.connected and self.unread and self.will_close and self.lingers_until is None:
            with suppress(OSError):
                self.socket.shutdown(SHUT_WR)
                self.will_close = False
                self.lingers_until = time.time() + _LINGER
                self._forget()
                return
        super().handle_close()

    def _go_on(self) -> None:
        if self.put_off and self.total_outbufs_len <= 0:  # below 0 where two threads of waitress counted the same
            self.put_off = False
            self.server.add_task(self)

    def hurry(self, now: float, *, crowded: bool) -> None:
        """Refuse a request that comes too slowly, and close what lingers for too long; where it is `crowded`, close if
        nothing is taken of an answer."""
        if self.lingers_until is not None and now > self.lingers_until:
            self.handle_close()
        if self.total_outbufs_len and not self._sends(now) and crowded:
            logger.info("a client at %s takes nothing of its answer and is cut off", self.addr[0])
            self.handle_close()
        if self.request is None:
            return
        if not self.readable():
            self.request.began = now  # it is not the client that keeps it waiting
        elif now > self.request.due():
            self.refuse(TooSlow(self.request.tardiness()))

    def _sends(self, now: float) -> bool:
        """Send what there is room for, which poll reports only where it is much; returns whether any went lately."""
        before = self.last_activity
        with self.outbuf_lock:  # which a thread may hold that adds to what there is to send
            self.handle_write()
        return not self.connected or self.last_activity != before or now - before <= _ANSWER_PATIENCE
