"""waitress and its loop, one step at a time, so that its driver can end it in order."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server
from waitress.trigger import trigger

from .channel import Channel
from .files import room_for_connections
from .incoming import NoRoom

_UPLOAD_PATIENCE = 2.0
"""Seconds without a byte after which a half-sent request no longer delays the end."""

_LIMITS: dict[str, Any] = {
    "channel_timeout": 60,
    "cleanup_interval": 10,
    "asyncore_use_poll": True,  # select knows no file beyond the first 1024
    "max_request_header_size": 65_536,
    "ident": None,
    "clear_untrusted_proxy_headers": False,  # nothing here reads them
}

_BODIES = 8
"""How many bodies of the largest size may be kept at a time, whole or in part."""

_LOOK = 1.0
"""Seconds from one look for slow clients to the next."""

_NO_FILES = (errno.EMFILE, errno.ENFILE)

_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""localhost is often also ::1 on machines without IPv6."""

logger = logging.getLogger("flask_ingestion")


def listen(host: str, port: int) -> list[socket.socket]:
    """Returns a listening socket for each address of `host` on this machine; port 0 takes one free port for all.

    Raises OSError with a sentence.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OSError(f"INGEST_HOST {host!r} is not an address of this machine: {error}.") from None
    sockets: list[socket.socket] = []
    missing = ""
    for family, _, _, _, address in found:
        try:
            sockets.append(socket.create_server((address[0], port, *address[2:]), family=family))
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while")[0]
            if error.errno in _NOT_HERE:
                missing = reason
                continue
            for one in sockets:
                one.close()
            raise _cannot_listen(host, port, reason) from None
        port = port or sockets[0].getsockname()[1]
    if not sockets:
        raise _cannot_listen(host, port, missing)
    return sockets


def _cannot_listen(host: str, port: int, reason: str) -> OSError:
    return OSError(f"Cannot listen on {host}, port {port}: {reason}; see INGEST_HOST and INGEST_PORT.")


def url(listening: socket.socket) -> str:
    """Returns where a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """waitress and its loop, which `turn` advances by one step."""

    def __init__(self, app: Flask, sockets: Sequence[socket.socket], threads: int, max_body: int) -> None:
        self._map: dict[int, Any] = {}
        self._most = room_for_connections()
        server = create_server(
            app,
            map=self._map,
            sockets=list(sockets),
            threads=threads,
            connection_limit=self._most,
            # A body only somewhat too large is read whole, so that the client is ready to read the answer.
            max_request_body_size=2 * max_body,
            **_LIMITS,
        )
        self._dispatcher = server.task_dispatcher
        self._listeners = [one for one in self._map.values() if isinstance(one, BaseWSGIServer)]
        for listener in self._listeners:
            listener.channel_class = Channel
            listener.ending = False
            listener.make_room = self._make_room
            listener.accept = partial(self._accept, listener)
        self._room = _BODIES * max_body
        self._next_look = 0.0
        self._has_files = True
        self._trigger = trigger(self._map)
        self._closed = False
        self._waking = threading.RLock()  # a signal handler may wake in the middle of it

    def wake(self) -> None:
        """End a `turn` that waits. From any thread, or a signal handler."""
        with self._waking:
            if not self._closed:  # or the number of the trigger's file may be another's by now
                self._trigger.pull_trigger()

    def turn(self, seconds: float) -> None:
        """Wait up to `seconds` for network events, and handle them."""
        wasyncore.loop(seconds, use_poll=True, map=self._map, count=1)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _LOOK
            self.hurry(time.time())
            for listener in self._listeners:
                listener.accepting = True

    def hurry(self, now: float) -> None:
        """Refuse requests that come too slowly; where others wait for a thread, cut off who takes nothing of an answer.

        `now` is in seconds since the epoch. By itself waitress closes only connections on which nothing happens at all.
        """
        crowded = bool(self._dispatcher.queue)
        for channel in list(self._channels()):
            channel.hurry(now, crowded=crowded)

    def _accept(self, listener: Any) -> Any:
        """Accept a connection. Where no file may be opened for it, accept none until the next look: it would come up
        again at once.
        """
        try:
            accepted = BaseWSGIServer.accept(listener)
        except OSError as error:
            if error.errno not in _NO_FILES:
                raise
            if self._has_files:
                logger.error("no connection can be accepted until this process has a file to spare: %s", error.strerror)
            self._has_files = listener.accepting = False
            return None
        self._has_files = True
        return accepted

    def _make_room(self) -> None:
        """Refuse the body that has stood still for longest, for as long as all bodies take more than their room.

        Not the one that comes last: then whoever leaves bodies half sent could keep out all others.
        """
        while True:
            channels = list(self._channels())
            kept = (request for channel in channels for request in (*channel.requests, channel.request) if request)
            if sum(request.size for request in kept) <= self._room:
                return
            half = [channel for channel in channels if channel.request is not None and channel.request.size]
            if not half:
                return
            min(half, key=lambda channel: channel.last_activity).refuse(
                NoRoom("There is no room for this body beside those of others; send it again.")
            )

    def stop_listening(self) -> None:
        """Accept the connections made by now and read what they have sent, and accept no more."""
        for listener in self._listeners:
            listener.ending = True
            before = -1
            while before < len(self._map) < self._most:
                before = len(self._map)
                listener.handle_accept()
            # Not its own close(): that would close its trigger too, which the threads still pull.
            wasyncore.dispatcher.close(listener)
        self.turn(0)

    def close_idle(self) -> int:
        """Close idle connections; returns how many are left, which waitress closes after their answers."""
        busy = 0
        for channel in list(self._channels()):
            uploading = channel.request and time.time() - channel.last_activity < _UPLOAD_PATIENCE
            idle = not (channel.requests or uploading or channel.writable())
            if idle:
                channel.handle_close()
            busy += not idle
        return busy

    def close(self) -> None:
        """Close everything; with requests still unanswered, only say so: the end of the process cuts them off."""
        cut = self.close_idle()
        if cut:
            logger.warning("%d requests took too long and are cut off", cut)
            return
        self._dispatcher.shutdown(timeout=1)
        with self._waking:
            self._closed = True
            wasyncore.close_all(self._map)

    def _channels(self) -> Iterator[Any]:
        for listener in self._listeners:
            yield from list(listener.active_channels.values())  # a thread may close one
