"""Slow strangers: each has deadlines and a least rate, and however many there are, a vendor's delivery is answered in time."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.support import payloads, signing
from tests.support.network.dripping import FORGED, HEAD, Dripping, mixed
from tests.support.service import Answer, Service, eventually

#: What the contract allows, and room for a busy machine.
NOISE_SECONDS = 4.0

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("slow")
    database = folder / "standing.sqlite3"
    database.write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": "unix:///nonexistent.sock", "ENCRYPTION_KEYS": KEY}
    with Service(folder, settings, worker=False) as made:
        yield made


@contextmanager
def dripping(service: Service, number: int, begin: Callable[[int], bytes], drip: bytes = b"x") -> Iterator[Dripping]:
    strangers = Dripping(service.port, number, begin, drip)
    strangers.start()
    try:
        time.sleep(1.5)
        yield strangers
    finally:
        strangers.end()


def delivered(service: Service, size: int) -> tuple[int, float]:
    body = payloads.idngo(payloads.new_applicant()) | {"more": "x" * size}
    began = time.monotonic()
    answer = service.deliver("idngo", body)
    return answer.status, time.monotonic() - began


@pytest.mark.parametrize("begin", [mixed, lambda _: FORGED + b"Content-Length: 1000000\r\n\r\n"], ids=["mixed", "bodies"])
def test_while_600_strangers_drip_a_vendor_is_answered_within_2_seconds(service: Service, begin: Callable[[int], bytes]) -> None:
    with dripping(service, 600, begin):
        answers = [delivered(service, size) for _ in range(4) for size in (800, 200 * 1024)]
    assert [status for status, _ in answers] == [200] * 8
    assert max(seconds for _, seconds in answers) < 2.0, answers


def test_more_strangers_than_there_are_places_lose_theirs_and_no_vendor_does(service: Service) -> None:
    with dripping(service, 2600, lambda _: FORGED + b"Content-Length: 1000000\r\n\r\n") as strangers:
        eventually(lambda: strangers.let_go > 100, "strangers to be let go")
        answers = [delivered(service, size) for _ in range(3) for size in (800, 200 * 1024)]
    assert [status for status, _ in answers] == [200] * 6
    # The contract's two seconds are for 600; these are four times as many, on a machine that other tests share.
    assert max(seconds for _, seconds in answers) < 2.0 + NOISE_SECONDS, answers


def until_closed(service: Service, text: bytes, drip: bytes, *, every: float) -> tuple[Answer | None, float]:
    """What one sender is answered, and after how long its connection is closed."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        began = time.monotonic()
        connection.sendall(text)
        connection.settimeout(every)
        received = b""
        while True:
            try:
                part = connection.recv(65536)
                received += part
                if not part:
                    break
            except TimeoutError:
                with suppress(OSError):
                    connection.send(drip)
            except OSError:
                break
    *_, last = received.split(b"HTTP/1.1 ")
    head, _, body = (b"HTTP/1.1 " + last).partition(b"\r\n\r\n") if last else (b"", b"", b"")
    answer = Answer(int(head.split()[1]), {}, body) if head else None
    return answer, time.monotonic() - began


#: What a slow sender begins with, what it then sends every half second, and after how many seconds it is refused.
SLOW = {
    "nothing": (b"", b"", 10),
    "a head": (HEAD + b"X-Slow: ", b"x", 10),
    "a silent body": (FORGED + b"Content-Length: 100000\r\n\r\n", b"", 5),
    "a body": (FORGED + b"Content-Length: 100000\r\n\r\n", b"x", 5),
    "chunks": (FORGED + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 5),
    "a body at 6 KiB a second": (FORGED + b"Content-Length: 4000000\r\n\r\n", b"x" * 3000, 30),
    "a further head": (b"GET /healthz HTTP/1.1\r\nHost: standing.example\r\n\r\nGET /heal", b"", 10),
}


@pytest.fixture(scope="module")
def refusals(service: Service) -> dict[str, tuple[Answer | None, float]]:
    """What became of each slow sender; they send at the same time."""
    with ThreadPoolExecutor(len(SLOW)) as threads:
        ended = {name: threads.submit(until_closed, service, text, drip, every=0.5) for name, (text, drip, _) in SLOW.items()}
        return {name: one.result() for name, one in ended.items()}


@pytest.mark.parametrize("name", SLOW)
def test_a_sender_has_a_deadline_and_a_least_rate(refusals: dict[str, tuple[Answer | None, float]], name: str) -> None:
    answer, elapsed = refusals[name]
    assert answer is not None
    assert answer.status == 408
    assert (answer.json["status"], answer.json["title"]) == (408, "Request Timeout")
    assert answer.json["request_id"]
    assert SLOW[name][2] - 0.5 <= elapsed < SLOW[name][2] + NOISE_SECONDS


def test_bodies_that_are_too_large_together_are_not_all_held(service: Service) -> None:
    """Strangers who send as fast as they can, and never end: what they sent is let go, and a vendor is answered."""
    begin, ended = FORGED + b"Content-Length: 5000000\r\n\r\n", threading.Event()

    def pour() -> None:
        while not ended.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", service.port), timeout=5) as stranger:
                stranger.sendall(begin + b"x" * 4_500_000)
                ended.wait(2)

    with ThreadPoolExecutor(40) as threads:
        for _ in range(40):
            threads.submit(pour)
        try:
            time.sleep(3)
            answers = [delivered(service, size) for _ in range(3) for size in (800, 200 * 1024)]
            held = max(memory_kib(pid) for pid in children(service.web.pid))
        finally:
            ended.set()
    assert [status for status, _ in answers] == [200] * 6
    assert max(seconds for _, seconds in answers) < 2.0 + NOISE_SECONDS, answers
    # The budget, what gunicorn copies of it, and the process itself.
    assert held < 400 * 1024


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


def test_without_a_signature_no_body_is_waited_for(service: Service) -> None:
    answer, elapsed = until_closed(service, HEAD + b"Content-Length: 100000\r\n\r\n", b"x", every=0.5)
    assert answer is not None
    assert answer.status == 401
    assert elapsed < 2 + NOISE_SECONDS


def test_a_vendor_that_sends_in_pieces_is_heard_to_the_end(service: Service) -> None:
    body = json.dumps(payloads.idngo(payloads.new_applicant()) | {"more": "x" * 60_000}).encode()
    signed = "".join(f"{name}: {value}\r\n" for name, value in signing.headers("idngo", body).items()).encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(HEAD + signed + f"Content-Length: {len(body)}\r\n\r\n".encode())
        for start in range(0, len(body), 10_000):
            connection.sendall(body[start : start + 10_000])
            time.sleep(1)
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_slow_sender_is_counted_and_logged_with_its_cause(service: Service, refusals: object) -> None:
    assert service.logged().count('"cause":"too_slow"') >= len(SLOW)

    def counted() -> bool:
        found = re.search(r'standing_refused_requests_total{cause="too_slow"} ([0-9.]+)', service.get("/metrics", token=None).body.decode())
        return found is not None and float(found[1]) >= len(SLOW)

    eventually(counted, "the slow senders to be counted")
