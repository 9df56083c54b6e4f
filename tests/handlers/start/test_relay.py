"""The relay: turns, lanes, and who may use it. The carrier is a test's; `tests/receiver/uploads` runs the relay as a process."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from handlers.start import relay
from handlers.start.relay import Relay
from handlers.start.uploads.incoming import IncomingFile
from receiver.web.relay import RelayAnswer, pass_on
from receiver.web.uploads import UploadedFile
from store.starts.relay.protocol import CHUNK_BYTES_MAX, UPLOAD_BYTES_MAX, Answer, Order
from tests.support.service import eventually


class Held:
    """A carrier whose uploads end when the test says so."""

    def __init__(self, *lanes: str) -> None:
        self.lanes, self.let_go, self.holds = lanes, threading.Event(), 0
        self._lock = threading.Lock()

    def lane(self, order: Order) -> str:
        return order.verification_id

    def carry(self, order: Order, files: Iterator[IncomingFile]) -> Answer:
        sizes = {file.part: sum(map(len, file.chunks)) for file in files}
        with self._lock:
            self.holds += 1
        self.let_go.wait(60)
        return Answer(status=202, detail=str(sizes))


class Running:
    """A relay in this process, and uploads to it."""

    def __init__(self, carrier: Held, folder: Path) -> None:
        self.carrier, self.path = carrier, folder / "relay.sock"
        self.relay = Relay(self.path, carrier)
        self._threads = ThreadPoolExecutor(80)
        self.thread = threading.Thread(target=self.relay.run, daemon=True)
        self.thread.start()
        eventually(self._listens, "the relay to listen")

    def _listens(self) -> bool:
        """Whether it takes connections: its socket is there a moment earlier."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def upload(self, lane: str, image: bytes = b"image", *, seconds: float = 60) -> Future[RelayAnswer]:
        files = [UploadedFile(part="front", content_type="image/png", chunks=iter([image]))]
        deadline = time.monotonic() + seconds
        return self._threads.submit(
            lambda: pass_on(lane, actor="a tester", documents=[], files=iter(files), deadline=deadline, path=self.path)
        )

    def end(self) -> None:
        self.carrier.let_go.set()
        self.relay.end()
        self.thread.join(60)
        self._threads.shutdown()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: a socket's path is limited."""
    with tempfile.TemporaryDirectory(prefix="relay-") as made:
        yield Path(made)


@pytest.fixture
def running(request: pytest.FixtureRequest, folder: Path) -> Iterator[Running]:
    made = Running(Held(*getattr(request, "param", ("idngo", "idenfy"))), folder)
    yield made
    made.end()


def held(running: Running, number: int) -> None:
    """Wait until so many uploads are held, and see that no more are."""
    eventually(lambda: running.carrier.holds >= number, f"{number} uploads to be held")
    time.sleep(0.3)
    assert running.carrier.holds == number


@pytest.mark.parametrize("running", [("idngo",)], indirect=True)
def test_two_uploads_are_held_at_a_time_and_others_wait(running: Running) -> None:
    uploads = [running.upload("idngo") for _ in range(4)]
    held(running, 2)
    running.carrier.let_go.set()
    assert [upload.result().status for upload in uploads] == [202] * 4


def test_a_vendor_that_hangs_takes_no_turn_of_another(running: Running) -> None:
    hanging = [running.upload("idngo") for _ in range(3)]
    held(running, 1)
    other = running.upload("idenfy")
    held(running, 2)
    running.carrier.let_go.set()
    assert other.result().status == 202
    assert [one.result().status for one in hanging] == [202] * 3


def test_an_upload_that_waits_is_answered_when_the_relay_is_asked_to_end(running: Running) -> None:
    first, waiting = running.upload("idngo"), None
    held(running, 1)
    waiting = running.upload("idngo")
    eventually(lambda: len(running.relay._lines) == 2, "the relay to take the second")
    running.relay.end()
    assert (waiting.result(60).status, waiting.result().detail) == (503, relay.ENDING)
    running.carrier.let_go.set()
    assert first.result(60).status == 202


def test_a_web_process_gives_up_at_its_deadline(running: Running) -> None:
    assert running.upload("idngo", seconds=1.5).result(50).status == 503, "the carrier holds it for a minute"


def test_more_connections_than_may_wait_are_refused_at_once(running: Running) -> None:
    uploads = [running.upload("idngo") for _ in range(relay.CONNECTIONS_MAX + 2)]
    eventually(lambda: sum(upload.done() for upload in uploads) == 2, "two to be refused")
    assert {upload.result().detail for upload in uploads if upload.done()} == {relay.BUSY}
    running.carrier.let_go.set()
    running.relay.end()


def test_an_image_is_passed_on_in_chunks_and_too_many_bytes_are_refused(running: Running) -> None:
    running.carrier.let_go.set()
    exact = running.upload("idngo", bytes(UPLOAD_BYTES_MAX)).result()
    over = running.upload("idngo", bytes(UPLOAD_BYTES_MAX + 1)).result()
    assert (exact.status, exact.detail) == (202, str({"front": UPLOAD_BYTES_MAX}))
    assert over.status == 413


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"x",
        b"{}\n",
        b"x" * 300_000,
        b'{"verification_id":"idngo","actor":"x","documents":[]}\n{"part":"x","content_type":"y"}\n\xff\xff\xff\xff',
    ],
    ids=["nothing", "half a line", "an empty order", "an endless line", "an endless chunk"],
)
def test_nonsense_is_let_go(running: Running, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as web:
        web.settimeout(60)
        web.connect(str(running.path))
        web.sendall(said)
        web.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert web.recv(CHUNK_BYTES_MAX).strip() == b""
    running.carrier.let_go.set()
    assert running.upload("idngo").result().status == 202


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another account")
def test_another_account_is_refused(running: Running, folder: Path) -> None:
    folder.chmod(0o755)
    running.path.chmod(0o666)
    if (child := os.fork()) == 0:
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as web:
            web.connect(str(running.path))
            web.settimeout(60)
            try:
                os._exit(0 if web.recv(1) == b"" else 1)
            except ConnectionResetError:
                os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
