"""HTTP as bytes, for what a well-behaved client would refuse to send."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from http.client import HTTPResponse

from tests.support.service import Answer, Service

Header = tuple[str, str]


def send(
    service: Service,
    method: str,
    target: str,
    *,
    headers: Iterable[Header] = (),
    body: bytes = b"",
    chunks: int | None = None,
    token: str | None = None,
) -> Answer:
    """Send a request as it is written, header values as Latin-1; the body with its length, or in so many chunks."""
    lines = [("Connection", "close"), *headers]
    if not any(name == "Host" for name, _ in lines):
        lines.append(("Host", "standing.example"))
    if token:
        lines.append(("Authorization", f"Bearer {token}"))
    lines.append(("Transfer-Encoding", "chunked") if chunks else ("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head.encode("latin-1") + (in_chunks(body, chunks) if chunks else body))
        response = HTTPResponse(connection, method=method)
        response.begin()
        with response:
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def in_chunks(body: bytes, count: int) -> bytes:
    size = -(-len(body) // count) or 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
