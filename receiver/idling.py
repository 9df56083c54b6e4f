"""Connections between two requests: kept as long as a proxy keeps them, and let go first when the process ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gevent.socket import wait_read
from gunicorn import http
from gunicorn.http.parser import RequestParser

#: How long a head may take: from a connection's opening, or from the first byte of a further request.
HEAD_SECONDS_MAX = 10.0

#: The sockets that wait for a further request, the one that has waited longest first.
_idle: dict[Any, None] = {}


class PatientParser(RequestParser):  # type: ignore[misc]
    """Waits for a further request as long as connections are kept, and for a head that has begun only so long."""

    def __next__(self) -> Any:
        """Return the next request; None if its head was not whole in time. Raises StopIteration when no further one comes."""
        if self.mesg:
            self._wait_for_another()
        with gevent.Timeout(HEAD_SECONDS_MAX, False):
            return super().__next__()
        return None

    def _wait_for_another(self) -> None:
        if self.mesg.should_close() or not self.finish_body():
            raise StopIteration
        if self.unreader.buf.getbuffer().nbytes:
            return  # It was sent along with the one before.
        with _idling(self.unreader.sock):
            try:
                wait_read(self.unreader.sock.fileno(), timeout=self.cfg.keepalive)
            except TimeoutError:
                raise StopIteration from None


def install() -> None:
    """Have gunicorn use this parser: it offers no setting for it."""
    http.RequestParser = PatientParser


def let_go_of_one() -> bool:
    """Let go of the connection that has waited longest for a further request; return whether there was one."""
    sock = next(iter(_idle), None)
    if sock is None:
        return False
    del _idle[sock]
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)  # Whoever waits for it reads its end.
    return True


def let_go_of_all() -> None:
    """Let go of every connection that waits for a further request."""
    while let_go_of_one():
        pass


@contextmanager
def _idling(sock: Any) -> Iterator[None]:
    _idle[sock] = None
    try:
        yield
    finally:
        _idle.pop(sock, None)
