"""Limits of connections: how long each may take, how much memory it holds, and which one is closed when there are too many.

Before authentication only the pace distinguishes a stranger from a vendor. A head and a body have deadlines and a least rate. Beyond
a number of connections, or of bytes of bodies, the idle and the slowest are closed first.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from enum import Enum, auto
from types import TracebackType
from typing import Any

#: Seconds that a head may take: from a connection's opening, or from the first byte of a further request.
HEAD_SECONDS_MAX = 10.0

#: Seconds that a body may take after its head; and the least rate, which holds after some seconds.
BODY_SECONDS_MAX, RATE_SECONDS, BYTES_PER_SECOND_MIN = 30.0, 5.0, 4096

#: Seconds that a sender may take to read some of an answer.
ANSWER_SECONDS_MAX = 5.0

#: Seconds that an upload may take in all; and its least rate, which holds after some seconds of waiting for its sender.
UPLOAD_SECONDS_MAX, UPLOAD_RATE_SECONDS, UPLOAD_BYTES_PER_SECOND_MIN = 300.0, 10.0, 16 * 1024

#: How long what is left of a refused body is read, so that its sender comes to reading the answer.
DRAIN_SECONDS_MAX = 2.0

#: Bytes of bodies that one process holds while they are received.
BODY_BYTES_MAX = 64 * 1024 * 1024

#: A connection younger than this has shown no pace yet.
PACE_SECONDS_MIN = 0.5


class TooSlow(Exception):
    """The head or the body was not complete in time, or the slowest connection had to be closed."""


class Phase(Enum):
    """What a connection is doing."""

    #: It waits for a further request.
    IDLE = auto()
    #: A head is received.
    HEAD = auto()
    #: A body is received.
    BODY = auto()
    #: A body of images is passed on while it is received. Its caller is authorized: it is closed for no other's sake.
    UPLOAD = auto()
    #: What is left of a body that was refused is received, and not kept.
    DRAIN = auto()
    #: A request is worked on and answered: it is closed for no other's sake.
    WORKING = auto()


class Connection:
    """One open connection, and the progress of its phase."""

    #: Bytes of bodies that are being received, on all connections of the process.
    held = 0

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.closed = False
        self.phase, self.received, self.waited = Phase.HEAD, 0, 0.0
        #: When the phase began, the head was complete, and the first byte of the request came.
        self.since = self.head_at = self.request_at = time.monotonic()

    def enter(self, phase: Phase, *, since: float | None = None) -> None:
        """Begin another phase, now or at an earlier time."""
        self._release()
        self.phase, self.received, self.waited = phase, 0, 0.0
        self.since = time.monotonic() if since is None else since
        if phase == Phase.HEAD:
            self.request_at = self.since

    def receive(self, count: int, *, waited: float = 0.0) -> None:
        """Count received bytes, and the seconds for which the sender was waited for.

        While all bodies together are too large, the slowest senders are closed."""
        if self.phase == Phase.HEAD and not self.received:
            self.request_at = time.monotonic()
        self.received += count
        self.waited += waited
        if self.phase == Phase.BODY:
            Connection.held += count
            if Connection.held > BODY_BYTES_MAX:
                _close_slowest(1, among=Phase.BODY)

    def _release(self) -> None:
        if self.phase == Phase.BODY and not self.closed:
            Connection.held -= self.received

    def seconds_left(self) -> float:
        """Return how long the next bytes may take."""
        elapsed = time.monotonic() - self.since
        if self.phase == Phase.HEAD:
            return HEAD_SECONDS_MAX - elapsed
        if self.phase == Phase.DRAIN:
            return DRAIN_SECONDS_MAX - elapsed
        if self.phase == Phase.UPLOAD:  # While the vendor is slow, nothing is read: that is no fault of the sender.
            longest = max(UPLOAD_RATE_SECONDS, self.received / UPLOAD_BYTES_PER_SECOND_MIN)
            return min(longest - self.waited, UPLOAD_SECONDS_MAX - elapsed)
        slowest = max(RATE_SECONDS, self.received / BYTES_PER_SECOND_MIN)
        return min(BODY_SECONDS_MAX, slowest) - elapsed

    def pace(self) -> float:
        """Return the bytes a second of this phase. An idle connection has the lowest pace, the longest idle one first."""
        elapsed = time.monotonic() - self.since
        return -elapsed if self.phase == Phase.IDLE else self.received / elapsed

    def may_give_way(self) -> bool:
        old = time.monotonic() - self.since > PACE_SECONDS_MIN
        return not self.closed and (self.phase == Phase.IDLE or (self.phase not in (Phase.WORKING, Phase.UPLOAD) and old))

    def close(self) -> None:
        """Close it: the reader finds its end. The memory of its body is free at once."""
        self._release()
        self.closed = True
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)


_open: dict[Any, Connection] = {}
_open_max = 0


def keep_open(open_max: int) -> None:
    """Set how many connections a process keeps open."""
    global _open_max
    _open_max = open_max


def connection_of(sock: Any) -> Connection:
    """Return the connection of a socket."""
    return _open.get(sock) or Connection(sock)


@contextmanager
def opened(sock: Any) -> Iterator[None]:
    """Track a connection until its close. When there are too many, the idle and the slowest are closed."""
    _open[sock] = Connection(sock)
    try:
        if len(_open) > _open_max:
            _close_slowest(len(_open) - _open_max)
        yield
    finally:
        _open.pop(sock).enter(Phase.WORKING)


def request_began_at(environ: dict[str, Any]) -> float | None:
    """Return when the first byte of the current request came, by the monotonic clock; None if no connection is tracked."""
    connection = _open.get(environ.get("gunicorn.socket"))
    return connection.request_at if connection else None


class _Receiving:
    """Receives a body, in a phase of its connection. A class, because a generator takes several times as long, for each delivery."""

    def __init__(self, environ: dict[str, Any], phase: Phase) -> None:
        self._connection, self._phase = _open.get(environ.get("gunicorn.socket")), phase

    def __enter__(self) -> None:
        if connection := self._connection:
            connection.enter(self._phase, since=connection.head_at if self._phase == Phase.BODY else None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if connection := self._connection:
            gave_way = connection.closed and self._phase == Phase.BODY
            connection.enter(Phase.WORKING)
            connection.sock.settimeout(ANSWER_SECONDS_MAX)
            if gave_way and error is None:
                raise TooSlow


def receiving_body(environ: dict[str, Any]) -> AbstractContextManager[None]:
    """Receive the body of the current request. Raises TooSlow."""
    return _Receiving(environ, Phase.BODY)


def receiving_upload(environ: dict[str, Any]) -> AbstractContextManager[None]:
    """Receive the body of the current request as an upload, from now on: its bytes are not held, and it may take longer."""
    return _Receiving(environ, Phase.UPLOAD)


def close_idle() -> None:
    """Close every connection that waits for a further request."""
    for connection in list(_open.values()):
        if connection.phase == Phase.IDLE:
            connection.close()


def _close_slowest(count: int, *, among: Phase | None = None) -> None:
    candidates = [one for one in _open.values() if one.may_give_way() and (among is None or one.phase == among)]
    for connection in sorted(candidates, key=Connection.pace)[:count]:
        connection.close()
