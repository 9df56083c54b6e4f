"""Slow strangers: each has deadlines and a least rate, and however many there are, a vendor's delivery is answered in time."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import payloads, signing
from tests.conftest import KEY
from tests.service import Answer, Service

HEAD = b"POST /webhooks/idngo HTTP/1.1\r\nHost: standing.example\r\n"
#: A wrong signature looks like a right one until the whole body is there.
FORGED = HEAD + b"x-payload-digest: " + b"0" * 64 + b"\r\n"

#: What the contract allows, and room for a busy machine.
NOISE_SECONDS = 4.0


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("slow")
    database = folder / "standing.sqlite3"
    database.write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{database}", "REDIS_URL": "unix:///nonexistent.sock", "ENCRYPTION_KEYS": KEY}
    with Service(folder, settings, worker=False) as made:
        yield made


class Dripping(threading.Thread):
    """Strangers who each send a byte now and then, and come back as soon as they are let go."""

    def __init__(self, port: int, number: int, begin: Callable[[int], bytes], drip: bytes, *, every: float = 1.0) -> None:
        super().__init__(daemon=True)
        self._port, self._number, self._begin, self._drip, self._every = port, number, begin, drip, every
        self._ended = threading.Event()
        #: How often one of them was let go.
        self.let_go = 0

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for number in range(self._number):
                self._open(selector, number)
            while not self._ended.is_set():
                began = time.monotonic()
                for key, _ in selector.select(0):
                    self._come_back(selector, key)
                for key in list(selector.get_map().values()):
                    try:
                        key.fileobj.send(self._drip)  # type: ignore[union-attr]
                    except OSError:
                        self._come_back(selector, key)
                self._ended.wait(max(0.0, began + self._every - time.monotonic()))
            for key in list(selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _open(self, selector: selectors.BaseSelector, number: int) -> None:
        try:
            stranger = socket.create_connection(("127.0.0.1", self._port), timeout=2)
            stranger.setblocking(False)
            stranger.send(self._begin(number))
        except OSError:
            return
        selector.register(stranger, selectors.EVENT_READ, number)

    def _come_back(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        try:
            if key.fileobj.recv(65536):  # type: ignore[union-attr]
                return  # An answer; its end is still to come.
        except BlockingIOError:
            return
        except OSError:
            pass
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
        self.let_go += 1
        self._open(selector, key.data)


@contextmanager
def dripping(service: Service, number: int, begin: Callable[[int], bytes], drip: bytes = b"x") -> Iterator[Dripping]:
    strangers = Dripping(service.port, number, begin, drip)
    strangers.start()
    try:
        time.sleep(1.5)
        yield strangers
    finally:
        strangers.end()


def mixed(number: int) -> bytes:
    """Heads, bodies and chunks, with a wrong signature and without one."""
    return (
        HEAD + b"X-Slow: ",
        FORGED + b"X-Slow: ",
        FORGED + b"Content-Length: 1000000\r\n\r\n",
        FORGED + b"Transfer-Encoding: chunked\r\n\r\nfffff\r\n",
        HEAD + b"Content-Length: 1000000\r\n\r\n",
        b"",
    )[number % 6]


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
        answers = [delivered(service, size) for _ in range(3) for size in (800, 200 * 1024)]
        assert strangers.let_go > 0
    assert [status for status, _ in answers] == [200] * 6
    assert max(seconds for _, seconds in answers) < 2.0, answers


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
    head, _, body = received.partition(b"\r\n\r\n")
    answer = Answer(int(head.split()[1]), {}, body) if head else None
    return answer, time.monotonic() - began


@pytest.mark.parametrize(
    ("text", "drip", "seconds"),
    [
        (b"", b"", 10),
        (HEAD + b"X-Slow: ", b"x", 10),
        (FORGED + b"Content-Length: 100000\r\n\r\n", b"", 5),
        (FORGED + b"Content-Length: 100000\r\n\r\n", b"x", 5),
        (FORGED + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 5),
        (FORGED + b"Content-Length: 4000000\r\n\r\n", b"x" * 3000, 30),
    ],
    ids=["nothing", "a head", "a silent body", "a body", "chunks", "a body at 6 KiB a second"],
)
def test_a_sender_has_a_deadline_and_a_least_rate(service: Service, text: bytes, drip: bytes, seconds: float) -> None:
    answer, elapsed = until_closed(service, text, drip, every=0.5)
    assert answer is not None
    assert answer.status == 408
    assert (answer.json["status"], answer.json["title"]) == (408, "Request Timeout")
    assert answer.json["request_id"]
    assert seconds - 0.5 <= elapsed < seconds + NOISE_SECONDS


def test_a_further_request_has_a_deadline_of_its_own(service: Service) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: standing.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        for pause in (0.0, 1.0):
            time.sleep(pause)
            connection.sendall(whole)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        connection.sendall(b"GET /heal")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")
        assert 9.5 <= time.monotonic() - began < 10 + NOISE_SECONDS


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
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_slow_sender_is_counted_and_logged_with_its_cause(service: Service) -> None:
    before = service.get("/metrics", token=None).body.decode()
    assert 'standing_refused_requests_total{cause="too_slow"}' in before
    assert '"cause": "too_slow"' in service.logged() or '"cause":"too_slow"' in service.logged()
