"""The sender: ready-made requests over kept connections, from one loop, so that it takes as little as it can of the shared cores."""

from __future__ import annotations

import gc
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: As many as send at the same moment.
CONNECTIONS = 32

#: The first answers are not counted: pools fill, caches warm.
WARM_UP_SECONDS = 1.0

SILENCE_SECONDS_MAX = 30.0

#: So many deliveries are under way together where their order counts; no two of them speak of the same applicant.
TOGETHER = 10
TRIES = 10


class Silent(Exception):
    """The server has answered nothing for so long that it will not."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request was answered, and when; times are this process's monotonic seconds."""

    #: Which request it was.
    number: int
    #: When it was to be sent. It may have been sent later, for want of a connection: whoever waits, waits from here.
    due_at: float
    answered_at: float
    status: int
    body: bytes

    @property
    def milliseconds(self) -> float:
        return (self.answered_at - self.due_at) * 1000


def saturate(port: int, requests: list[bytes], *, seconds: float, warm_up: float = WARM_UP_SECONDS) -> tuple[float, list[Answer]]:
    """Send as fast as is answered; return how many a second were answered with 200, and all answers."""
    with _at_peace():
        answers = _Sending(port, requests, until=time.monotonic() + warm_up + seconds).run()
    begin, end = answers[0].due_at + warm_up, answers[-1].answered_at
    counted = sum(answer.status == 200 for answer in answers if answer.answered_at >= begin)
    return counted / (end - begin), answers


def at_rate(port: int, requests: list[bytes], *, per_second: float) -> list[Answer]:
    """Send at a fixed rate, whether or not what was sent before is answered."""
    with _at_peace():
        return _Sending(port, requests, per_second=per_second).run()


def deliver(port: int, requests: list[bytes], *, per_second: float = 200) -> None:
    """Send what is not measured, a few at a time; what is refused is sent again before what comes after it, because the order
    of receipt is some vendors' only clock. Raises Silent if some of it is never accepted."""
    for start in range(0, len(requests), TOGETHER):
        waiting = requests[start : start + TOGETHER]
        for _ in range(TRIES):
            answers = _Sending(port, waiting, per_second=per_second).run()
            waiting = [waiting[answer.number] for answer in answers if answer.status != 200]
            if not waiting:
                break
        else:
            raise Silent(f"{len(waiting)} deliveries are refused, however often they come")


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    #: The request that is under way, by its number.
    number: int = -1
    received: bytes = b""


@dataclass
class _Sending:
    port: int
    requests: list[bytes]
    per_second: float | None = None
    until: float | None = None
    _idle: list[_Connection] = field(default_factory=list)
    _answers: list[Answer] = field(default_factory=list)
    _due: dict[int, float] = field(default_factory=dict)
    _sent: int = 0

    def run(self) -> list[Answer]:
        self._selector = selectors.DefaultSelector()
        self._began = self._heard_at = time.monotonic()
        while self._more() or self._due:
            self._send_what_is_due()
            for key, _ in self._selector.select(self._pause()):
                self._receive(key.data)
            if self._due and time.monotonic() - self._heard_at > SILENCE_SECONDS_MAX:
                raise Silent(f"{len(self._due)} requests wait for an answer")
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()
        return self._answers

    def _more(self) -> bool:
        return self._sent < len(self.requests) and (self.until is None or time.monotonic() < self.until)

    def _next_due_at(self, now: float) -> float:
        return self._began + self._sent / self.per_second if self.per_second else now

    def _send_what_is_due(self) -> None:
        while self._may_send() and self._more():
            now = time.monotonic()
            due_at = self._next_due_at(now)
            if due_at > now:
                return
            connection = self._connection()
            connection.number, connection.received = self._sent, b""
            self._due[self._sent] = due_at
            self._sent += 1
            self._send(connection)

    def _send(self, connection: _Connection) -> None:
        request = self.requests[connection.number]
        try:
            if connection.socket.send(request) != len(request):
                raise Silent("a request did not fit into the socket's buffer")
        except (BrokenPipeError, ConnectionResetError):
            self._send_anew(connection)

    def _send_anew(self, connection: _Connection) -> None:
        """The server has let go of a connection: send what is under way over another, its time still running."""
        self._drop(connection)
        if connection.number >= 0:
            other = self._connection()
            other.number, other.received = connection.number, b""
            self._send(other)

    def _receive(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(65536)
        except ConnectionResetError:
            received = b""
        if not received:
            self._send_anew(connection)
            return
        connection.received += received
        body = _whole_body(connection.received)
        if body is None:
            return
        now, number = time.monotonic(), connection.number
        status = int(connection.received[9:12])
        self._answers.append(Answer(number=number, due_at=self._due.pop(number), answered_at=now, status=status, body=body))
        self._heard_at, connection.number = now, -1
        self._idle.append(connection)

    def _pause(self) -> float:
        if self._may_send() and self._more():
            now = time.monotonic()
            return min(max(0.0, self._next_due_at(now) - now), 1.0)
        return 1.0

    def _may_send(self) -> bool:
        return bool(self._idle) or len(self._selector.get_map()) < CONNECTIONS

    def _connection(self) -> _Connection:
        """One that is free, else another."""
        if self._idle:
            return self._idle.pop()
        made = _Connection(socket.create_connection(("127.0.0.1", self.port)))
        made.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.socket.setblocking(False)
        self._selector.register(made.socket, selectors.EVENT_READ, made)
        return made

    def _drop(self, connection: _Connection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        if connection in self._idle:
            self._idle.remove(connection)


def _whole_body(received: bytes) -> bytes | None:
    """An answer's body, once all of it is there."""
    head_ends = received.find(b"\r\n\r\n")
    if head_ends < 0:
        return None
    announced = received.lower().find(b"content-length:", 0, head_ends)
    length = int(received[announced + 15 : received.find(b"\r\n", announced)]) if announced >= 0 else 0
    body = received[head_ends + 4 :]
    return body if len(body) >= length else None


@contextmanager
def _at_peace() -> Iterator[None]:
    """No collection of garbage meanwhile: the many requests held in memory would make it long, and the server look slow."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
