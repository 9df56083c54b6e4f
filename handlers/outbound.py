"""Requests of ours to others' servers: where they may go, how long they may take, and how much of an answer is read.

An address is checked when the connection is made, so that a name cannot be looked up once for the check and once more for the request.
Redirects are not followed, proxies of the environment not used, cookies not kept.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore2 as httpcore

#: In all, from looking the name up to the last byte that is read.
SECONDS_MAX, CONNECT_SECONDS_MAX = 15.0, 5.0

#: What is read of an answer.
ANSWER_BYTES_MAX = 64 * 1024

#: IPv6 addresses that stand for an IPv4 address behind a translator (RFC 6052).
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class Unreachable(Exception):
    """There was no answer, or not in time. The message says why, and names no more than the host."""


class NotAllowed(Unreachable):
    """The host's address is private, and nobody allowed that."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server said: its status, its headers by their lower-case names, and the beginning of its body."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(method: str, url: str, *, headers: Mapping[str, str], body: bytes = b"", private_hosts: frozenset[str] = frozenset()) -> Answer:
    """Send a request; return the answer, whatever its status. Raises Unreachable."""
    backend = _Backend(private_hosts, deadline=time.monotonic() + SECONDS_MAX)
    timeouts = {"connect": CONNECT_SECONDS_MAX, "read": SECONDS_MAX, "write": SECONDS_MAX, "pool": 1.0}
    try:
        with (
            httpcore.ConnectionPool(network_backend=backend) as pool,
            pool.stream(method, url, headers=list(headers.items()), content=body, extensions={"timeout": timeouts}) as response,
        ):
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
            return Answer(status=response.status, headers=found, body=_beginning(response.iter_stream()))
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise Unreachable(f"no answer ({type(error).__name__})") from error


def _beginning(parts: Iterable[bytes]) -> bytes:
    body = b""
    for part in parts:
        body += part
        if len(body) >= ANSWER_BYTES_MAX:
            break
    return body[:ANSWER_BYTES_MAX]


class _Backend(httpcore.SyncBackend):
    """Connects to allowed addresses only, and keeps one deadline over everything."""

    def __init__(self, private_hosts: frozenset[str], *, deadline: float) -> None:
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
        for address in _addresses(host, port, allow_private=host.lower() in self._private_hosts):
            try:
                seconds = min(timeout or SECONDS_MAX, _left(self._deadline))
                made = super().connect_tcp(address, port, seconds, local_address, socket_options)
                return _Stream(made, self._deadline)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
        assert failure is not None
        raise failure


class _Stream(httpcore.NetworkStream):
    """A connection whose every step ends by the deadline: who sends a byte every few seconds does not hold it open."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


def _addresses(host: str, port: int, *, allow_private: bool) -> list[str]:
    """A host's addresses that may be connected to. Raises Unreachable."""
    try:
        found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        raise Unreachable("the host's name is not known") from error
    allowed = found if allow_private else [address for address in found if is_public(address)]
    if not allowed:
        raise NotAllowed("the host has a private address (NOTIFY_PRIVATE_HOSTS allows it by name)")
    return allowed


def is_public(address: str) -> bool:
    """Whether an address is one of the public network's: not private, not this machine, not link-local, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found in _TRANSLATED:
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if inner:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast
