"""gunicorn's parser, with the deadlines of `limits`: it waits for a request, a head and a body as long as their connection may take."""

from __future__ import annotations

import resource
import time
from typing import Any

from gevent.socket import wait_read
from gunicorn import http
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader

from receiver.connections import limits
from receiver.connections.limits import Phase, TooSlow

#: How many bytes are still read of a body that is refused, so that its sender comes to reading the answer.
DRAIN_BYTES_MAX = 16 * 1024 * 1024

#: How many connections a process keeps open for each that WEB_CONNECTIONS allows, and how many more it accepts while others close.
OPEN_FOR_EACH, OPENING_MAX = 5, 250

#: Files that a process opens beside its connections.
OTHER_FILES_MAX = 250


def install(web_connections: int) -> int:
    """Make gunicorn use the parser of this module; it has no setting for that. Return how many connections to accept at a time."""
    http.RequestParser = PacedParser
    open_max = OPEN_FOR_EACH * web_connections
    limits.keep_open(open_max)
    _allow_files(open_max + OPENING_MAX + OTHER_FILES_MAX)
    return open_max + OPENING_MAX


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class PacedUnreader(SocketUnreader):  # type: ignore[misc]
    """Receives from a socket within the time that its connection has."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.connection = limits.connection_of(sock)

    def chunk(self, size_hint: int | None = None) -> bytes:
        connection = self.connection
        if connection.phase == Phase.WORKING:
            return bytes(super().chunk(size_hint))
        self.sock.settimeout(self._seconds_left())
        began = time.monotonic()
        try:
            received = bytes(super().chunk(size_hint))
        except TimeoutError as error:
            raise TooSlow from error
        connection.receive(len(received), waited=time.monotonic() - began)
        self._seconds_left()  # It may have given way, also to itself: what a sender sends after that is not read.
        return received

    def _seconds_left(self) -> float:
        seconds = self.connection.seconds_left()
        if self.connection.closed or seconds <= 0:
            raise TooSlow
        return seconds


class PacedParser(RequestParser):  # type: ignore[misc]
    """Waits for the next request as long as connections are kept, and for the rest of a head until its deadline."""

    mesg: Any

    def __init__(self, cfg: Any, source: Any, source_addr: Any) -> None:
        super().__init__(cfg, source, source_addr)
        self.unreader = PacedUnreader(source)
        self.connection = self.unreader.connection

    def __next__(self) -> Any:
        """Return the next request. Raises StopIteration when there is none, TooSlow when its head is late."""
        if self.mesg:
            self._wait_for_another()
        found = super().__next__()
        self.connection.head_at = time.monotonic()
        self.connection.enter(Phase.WORKING)
        self.unreader.sock.settimeout(limits.ANSWER_SECONDS_MAX)
        return found

    def _wait_for_another(self) -> None:
        if self.mesg.should_close():
            raise StopIteration
        if not _is_read(self.mesg.body):
            self._drain()
        self.mesg = None  # Otherwise gunicorn looks for the rest of its body once more.
        if not self.unreader.buf.getbuffer().nbytes:  # Else it was sent along with the one before.
            self.connection.enter(Phase.IDLE)
            try:
                wait_read(self.unreader.sock.fileno(), timeout=self.cfg.keepalive)
            except TimeoutError:
                raise StopIteration from None
            if self.connection.closed:
                raise StopIteration  # Without an answer, which a proxy would take for that to its next request.
        self.connection.enter(Phase.HEAD)

    def _drain(self) -> None:
        self.connection.enter(Phase.DRAIN)
        try:
            if not self.finish_body(max_bytes=DRAIN_BYTES_MAX):
                raise StopIteration
        except TooSlow:
            raise StopIteration from None


def _is_read(body: Body) -> bool:
    """Return whether nothing of a body of known length is left on the connection."""
    return isinstance(body.reader, LengthReader) and not body.reader.length and not body.failed
