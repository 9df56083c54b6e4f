"""The HTTP sender: one thread runs all requests to endpoints, so that an endpoint that hangs costs one connection.

`handlers.clients.http_client` has the rules: which addresses are allowed, how long a request may take, how much of an answer is read.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
from urllib.parse import SplitResult, urlsplit

import h11
import httpcore2 as httpcore

from handlers.clients import public_addresses
from handlers.clients.http_client import ANSWER_BYTES_MAX, CONNECT_SECONDS_MAX, SECONDS_MAX, HttpResponse
from handlers.clients.public_addresses import Unreachable
from store.text import traces

#: Connections to all endpoints together.
CONNECTIONS_MAX = 256

#: Names that are looked up at a time. Each lookup takes a thread, for which a name server that hangs can be waited long.
LOOKUPS_MAX = 16

#: A deadline that is noticed so much too late says nothing about the server: this process did not run.
LATE_SECONDS_MAX = 1.0

#: Errors that are this machine's, whatever the server does.
OUR_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL)

#: What is read of an answer's head.
_HEAD_BYTES_MAX, _READ_BYTES = 100 * 1024, 64 * 1024


class Stalled(Exception):
    """This process did not run for a while. An answer may have arrived in time, unseen."""


class RequestThread:
    """A thread that runs requests, any number of them at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="sender", daemon=True).start()

    def start(self, request: Coroutine[None, None, str]) -> Future[str]:
        return asyncio.run_coroutine_threadsafe(request, self._loop)


async def post(
    url: str, *, headers: Mapping[str, str], body: bytes, private_hosts: frozenset[str] = frozenset(), seconds_max: float = SECONDS_MAX
) -> HttpResponse:
    """Send a request; return the answer, whatever its status. Raises Unreachable; anything else is a failure of our own."""
    address, loop = httpcore.URL(url), asyncio.get_running_loop()
    request = h11.Request(method="POST", target=address.target, headers=_headers(urlsplit(url), headers, body))
    began = loop.time()
    try:
        async with asyncio.timeout(seconds_max), _connected(address, private_hosts) as (reader, writer):
            return await _exchange(request, body, reader, writer)
    except (OSError, h11.RemoteProtocolError) as error:
        if isinstance(error, TimeoutError) and loop.time() - began > seconds_max + LATE_SECONDS_MAX:
            raise Stalled from error
        if isinstance(error, OSError) and error.errno in OUR_ERRORS:
            raise
        raise Unreachable(f"no answer ({type(error).__name__})") from error


@asynccontextmanager
async def _connected(url: httpcore.URL, private_hosts: frozenset[str]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, secure = url.host.decode(), url.scheme == b"https"
    port = url.port or (443 if secure else 80)
    made = await _reached(await _addresses(host, port, allow_private=host.lower() in private_hosts), port)
    try:
        context = _tls() if secure else None
        reader, writer = await asyncio.open_connection(sock=made, ssl=context, server_hostname=host if secure else None)
    except BaseException:
        made.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # A server that reads nothing would hold a polite end open.


async def _addresses(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the host's addresses that are allowed. Raises Unreachable."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_lookups(), lambda: public_addresses.addresses(host, port, allow_private=allow_private))
    return public_addresses.addresses(host, port, allow_private=allow_private)


async def _reached(addresses: Iterable[str], port: int) -> socket.socket:
    """Return a connection to the first address that answers."""
    failure: OSError | None = None
    for address in addresses:
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        try:
            made.setblocking(False)
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                await asyncio.get_running_loop().sock_connect(made, (address, port))
            return made
        except OSError as error:
            made.close()
            failure = error
        except BaseException:
            made.close()
            raise
    assert failure is not None
    raise failure


def _headers(url: SplitResult, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    return [("Host", url.netloc), *headers.items(), *traces.headers().items(), ("Content-Length", str(len(body)))]


async def _exchange(request: h11.Request, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> HttpResponse:
    line = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_BYTES_MAX)
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(line.send(event) or b"")
    status, headers, read = 0, {}, bytearray()
    while len(read) <= ANSWER_BYTES_MAX:
        came = await _next(line, reader)
        if isinstance(came, h11.Response):
            status = came.status_code
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in came.headers}
        elif isinstance(came, h11.Data):
            read += came.data
        elif isinstance(came, h11.EndOfMessage):
            break
    return HttpResponse(status=status, headers=headers, body=bytes(read[:ANSWER_BYTES_MAX]), whole=len(read) <= ANSWER_BYTES_MAX)


async def _next(line: h11.Connection, reader: asyncio.StreamReader) -> object:
    """Return the next part of the answer."""
    while (event := line.next_event()) is h11.NEED_DATA:
        line.receive_data(await reader.read(_READ_BYTES))
    if isinstance(event, h11.ConnectionClosed):
        raise h11.RemoteProtocolError("closed before the answer")
    return event


@cache
def _lookups() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="lookup")


@cache
def _tls() -> ssl.SSLContext:
    """Return the TLS context, created once: it reads every certificate authority."""
    return httpcore.default_ssl_context()
