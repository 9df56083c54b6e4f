"""A load of signed webhooks, made beforehand, sent over connections that are kept open."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
import uuid
from dataclasses import dataclass

SECRET = b"a secret for the benchmark"


@dataclass(frozen=True)
class Load:
    """What a load was answered: how many a second with 200, how many otherwise, and after how long."""

    per_second: float
    refused: int
    milliseconds: list[float]


def requests(count: int) -> list[bytes]:
    """Different, signed deliveries of IDnGO."""
    return [_request(number) for number in range(count)]


def send(port: int, deliveries: list[bytes], *, connections: int = 16) -> Load:
    """Send deliveries over so many connections, each as fast as it is answered."""
    took: list[list[float]] = [[] for _ in range(connections)]
    refused = [0] * connections
    barrier = threading.Barrier(connections + 1)

    def work(mine: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            barrier.wait()
            for delivery in deliveries[mine::connections]:
                began = time.perf_counter()
                connection.sendall(delivery)
                refused[mine] += not _answer(connection).startswith(b"HTTP/1.1 200")
                took[mine].append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in range(connections)]
    for thread in threads:
        thread.start()
    barrier.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    return Load(len(deliveries) / seconds, sum(refused), sorted(one for some in took for one in some))


def _request(number: int) -> bytes:
    applicant = uuid.uuid4().hex[:24]
    body = json.dumps(
        {
            "applicantId": applicant,
            "inspectionId": applicant,
            "correlationId": uuid.uuid4().hex,
            "externalUserId": f"customer-{number}",
            "levelName": "id-and-liveness",
            "type": "applicantReviewed",
            "reviewResult": {"reviewAnswer": "GREEN"},
            "reviewStatus": "completed",
            "createdAtMs": "2026-05-04 09:30:00.250",
        }
    ).encode()
    digest = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    head = f"POST /webhooks/idngo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nx-payload-digest: {digest}\r\n\r\n"
    return head.encode() + body


def _answer(connection: socket.socket) -> bytes:
    """One whole answer, its head and as much body as the head announces."""
    received = connection.recv(65536)
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1])
    while len(body) < length:
        body += connection.recv(65536)
    return received
