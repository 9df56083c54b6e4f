"""The HTTP client: which servers may be called, how long a request may take, and how much of an answer is read.

An address is checked when the connection is made (`public_addresses`), so that no second lookup can change it. Redirects are not
followed, proxies of the environment not used, cookies not kept.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2 as httpcore

from handlers.clients import public_addresses
from handlers.clients.public_addresses import Unreachable
from handlers.clients.request_body import NOTHING, Body, slices
from store.text import traces

#: In all, from looking the name up to the last byte that is read.
SECONDS_MAX, CONNECT_SECONDS_MAX = 15.0, 5.0

#: What is read of an answer, unless more is asked for.
ANSWER_BYTES_MAX = 64 * 1024

#: A kept connection is not used again after so long: servers let go of one after five seconds at the soonest.
IDLE_SECONDS_MAX = 4.0


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A response: its status, its headers by their lower-case names, and the beginning of its body."""

    status: int
    headers: dict[str, str]
    body: bytes
    #: Whether that is all of the body.
    whole: bool


class Line:
    """A connection that is kept between requests. For one thread at a time."""

    def __init__(
        self,
        *,
        private_hosts: frozenset[str] = frozenset(),
        seconds_max: float = SECONDS_MAX,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self._seconds_max, self._answer_bytes_max = seconds_max, answer_bytes_max
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            max_connections=1, keepalive_expiry=IDLE_SECONDS_MAX, network_backend=_Backend(private_hosts, self._deadline)
        )
        self.close = weakref.finalize(self, self._pool.close)

    def ask(self, method: str, url: str, *, headers: Mapping[str, str], body: Body = NOTHING) -> HttpResponse:
        """Send a request; return the response, whatever its status. Raises Unreachable."""
        sent = [*headers.items(), *traces.headers().items(), ("Content-Length", str(body.length))]
        self._deadline.begin(self._seconds_max)
        timeouts = {"connect": CONNECT_SECONDS_MAX, "read": self._seconds_max, "write": self._seconds_max, "pool": 1.0}
        try:
            with self._pool.stream(method, url, headers=sent, content=slices(body), extensions={"timeout": timeouts}) as response:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                read = _beginning(response.iter_stream(), self._answer_bytes_max)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Unreachable(f"no answer ({type(error).__name__})") from error
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise Unreachable(f"no answer ({type(error).__name__})", may_have_arrived=True) from error
        return HttpResponse(
            status=response.status, headers=found, body=read[: self._answer_bytes_max], whole=len(read) <= self._answer_bytes_max
        )


def _beginning(parts: Iterable[bytes], bytes_max: int) -> bytes:
    """Return the whole body, or more of it than the limit."""
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > bytes_max:
            break
    return bytes(body)


class _Deadline:
    """The time by which the current request must have its response."""

    def __init__(self) -> None:
        self._at = 0.0

    def begin(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        left = self._at - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class _Backend(httpcore.SyncBackend):
    """Connects to allowed addresses only, and applies one deadline to everything."""

    def __init__(self, private_hosts: frozenset[str], deadline: _Deadline) -> None:
        self._private_hosts, self._deadline = private_hosts, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        for address in public_addresses.addresses(host, port, allow_private=host.lower() in self._private_hosts):
            try:
                seconds = min(timeout or SECONDS_MAX, self._deadline.left())
                made = super().connect_tcp(address, port, seconds, local_address, socket_options)
                return _Stream(made, self._deadline)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
        assert failure is not None
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection on which every step ends by the deadline. A server that sends a byte every few seconds cannot hold it open."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
