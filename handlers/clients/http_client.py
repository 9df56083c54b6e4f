"""The HTTP client: which servers may be called, how long a request may take, and how much of an answer is read.

An address is checked when the connection is made (SSRF), so that no second lookup can change it. Redirects are not followed, proxies
of the environment not used, cookies not kept.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2 as httpcore

#: In all, from looking the name up to the last byte that is read.
SECONDS_MAX, CONNECT_SECONDS_MAX = 15.0, 5.0

#: What is read of an answer, unless more is asked for.
ANSWER_BYTES_MAX = 64 * 1024

#: A kept connection is not used again after so long: servers let go of one after five seconds at the soonest.
IDLE_SECONDS_MAX = 4.0

#: IPv6 addresses that are only another form of an IPv4 address: mapped, and behind the well-known translator (RFC 6052).
_FORMS_OF_IPV4 = (ipaddress.ip_network("::ffff:0:0/96"), ipaddress.ip_network("64:ff9b::/96"))

#: Every other public IPv6 address is in here (RFC 4291). Old forms that embed IPv4, local translators and site-local addresses are not.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

#: Reserved by IANA, and not known to every version of Python.
_RESERVED = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))

#: The middle of an interface id that ends in an IPv4 address (ISATAP, RFC 5214).
_ISATAP = (0x00005EFE, 0x02005EFE)


class Unreachable(Exception):
    """There was no answer in time. The message says why, and names no more than the host."""


class NotAllowed(Unreachable):
    """The host's address is private, and not allowed."""


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

    def ask(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"") -> HttpResponse:
        """Send a request; return the response, whatever its status. Raises Unreachable."""
        self._deadline.begin(self._seconds_max)
        timeouts = {"connect": CONNECT_SECONDS_MAX, "read": self._seconds_max, "write": self._seconds_max, "pool": 1.0}
        try:
            with self._pool.stream(method, url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}) as response:
                found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                read = _beginning(response.iter_stream(), self._answer_bytes_max)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
            raise Unreachable(f"no answer ({type(error).__name__})") from error
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
        for address in addresses(host, port, allow_private=host.lower() in self._private_hosts):
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


def addresses(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return a host's addresses that may be connected to. Raises Unreachable."""
    try:
        found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_MEMORY, socket.EAI_SYSTEM):
            raise OSError(errno.ENOBUFS, "names cannot be looked up on this machine") from error
        raise Unreachable("the host's name is not known") from error
    allowed = found if allow_private else [address for address in found if is_public(address)]
    if not allowed:
        raise NotAllowed("the host has a private address (NOTIFY_PRIVATE_HOSTS allows it by name)")
    return allowed


def is_public(address: str) -> bool:
    """Return whether an address is public: not private, not this machine, not link-local, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if not all(is_public(str(inner)) for inner in _embedded(found)):
            return False
        if any(found in form for form in _FORMS_OF_IPV4):
            return True
        if found not in _GLOBAL_UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in net for net in _RESERVED)


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address holds: packets to it may end there."""
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    ends_in_one = any(address in form for form in _FORMS_OF_IPV4) or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    found = [*([last] if ends_in_one else []), *(address.teredo or ())]
    return [*found, *([address.sixtofour] if address.sixtofour else [])]
