"""The relay: one process of a host takes uploads from its web processes over a local socket, and has them carried to the vendors.

It holds the images of a few uploads at a time, in memory alone. Other uploads wait unread. Each upload has a thread, so that a vendor that
hangs stops no other upload's answer.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import structlog

from handlers.start.uploads.incoming import Broken, Incoming, IncomingFile, Nothing, NotTaken
from store.starts.relay import local_peers
from store.starts.relay.protocol import BEAT_SECONDS, TURN_SECONDS_MAX, Answer, Order, line, unavailable
from store.system import file_locks, service_manager
from store.system.logs import describe_error

log = structlog.get_logger()

#: Uploads whose images are held at a time, and connections of those and of the waiting ones.
UPLOADS_AT_ONCE, CONNECTIONS_MAX = 2, 64

#: How long an upload may take in all, its turn included: longer than a web process waits.
UPLOAD_SECONDS_MAX = 330.0

#: How long uploads under way may still take when the process is asked to end.
END_SECONDS = 25.0

#: How long the rest of an upload is read that was answered early, and how often a waiting upload looks whether the process ends.
DISCARD_SECONDS, LOOK_SECONDS = 10.0, 0.2

BUSY = "Other uploads are under way. The images were not kept; please send them again."
ENDING = "The service is restarting. The images were not kept; please send them again."
UNEXPECTED = "Something unexpected happened. It is logged with the verification's id."


class Taken(Exception):
    """Another relay listens on the socket, or the socket's folder is another account's. The message says which."""


class Carrier(Protocol):
    """What carries uploads to the vendors."""

    #: The lanes of uploads. A vendor that hangs takes the turns of its own lane only.
    lanes: Sequence[str]

    def lane(self, order: Order) -> str:
        """Return the lane of an upload. Raises NotTaken."""

    def carry(self, order: Order, files: Iterator[IncomingFile]) -> Answer:
        """Carry the files to the vendor. Raises NotTaken, and Broken if they do not arrive whole."""


class Relay:
    """Listens on a socket, and answers uploads."""

    def __init__(self, path: Path, carrier: Carrier) -> None:
        self._path, self._carrier = path, carrier
        at_once = max(UPLOADS_AT_ONCE // len(carrier.lanes), 1)
        self._turns = {lane: threading.BoundedSemaphore(at_once) for lane in carrier.lanes}
        self._lines: set[_Line] = set()
        self._ending = threading.Event()

    def run(self, begin: Callable[[], None] = lambda: None) -> None:
        """Take uploads until `end`, then finish those under way. `begin` runs once no other relay can be running. Raises Taken."""
        with listening(self._path) as listener:
            begin()
            threading.Thread(target=self._beat, name="beat", daemon=True).start()
            log.info("the relay is up")
            service_manager.ready("Images are taken.")
            while not self._ending.is_set():
                service_manager.feed_watchdog()
                with suppress(TimeoutError):
                    self._accept(listener.accept()[0])
        service_manager.stopping("Uploads under way are finished.")
        until = time.monotonic() + END_SECONDS
        while self._lines and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        log.info("the relay ends", count=len(self._lines))

    def end(self) -> None:
        self._ending.set()

    def _accept(self, sock: socket.socket) -> None:
        if not local_peers.is_same_account(sock):
            log.warning("a connection of another account was refused")
            sock.close()
            return
        sock.settimeout(DISCARD_SECONDS)
        upload = _Line(sock)
        if len(self._lines) >= CONNECTIONS_MAX:
            upload.answer(unavailable(BUSY))
            sock.close()
            return
        self._lines.add(upload)
        threading.Thread(target=self._serve, args=(upload,), daemon=True).start()

    def _serve(self, upload: _Line) -> None:
        try:
            with upload.sock:
                if answer := self._answer_to(upload):
                    upload.answer(answer)
                    upload.discard()
        finally:
            self._lines.discard(upload)

    def _answer_to(self, upload: _Line) -> Answer | None:
        """Return the answer to an upload; None if nothing waits for one."""
        order, told = None, log
        try:
            incoming = Incoming(upload.sock, deadline=time.monotonic() + UPLOAD_SECONDS_MAX)
            order = incoming.order()
            told = log.bind(verification_id=order.verification_id)
            with self._turn(self._carrier.lane(order)):
                answer = self._carrier.carry(order, incoming.files())
        except NotTaken as refusal:
            answer = refusal.answer
        except Nothing:
            return None
        except Broken as broken:
            told.warning("an upload did not arrive whole", cause=str(broken))
            return None
        except Exception as error:
            told.error("an upload failed unexpectedly", error=describe_error(error))
            answer = Answer(status=500, detail=UNEXPECTED)
        told.info("an upload was answered", status=answer.status)
        return answer

    @contextmanager
    def _turn(self, lane: str) -> Iterator[None]:
        """Wait for a turn. Raises NotTaken if there is none in time."""
        turn, until = self._turns[lane], time.monotonic() + TURN_SECONDS_MAX
        while not turn.acquire(timeout=LOOK_SECONDS):
            if self._ending.is_set() or time.monotonic() > until:
                raise NotTaken(unavailable(ENDING if self._ending.is_set() else BUSY))
        try:
            yield
        finally:
            turn.release()

    def _beat(self) -> None:
        while True:
            for upload in list(self._lines):
                upload.beat()
            time.sleep(BEAT_SECONDS)


class _Line:
    """A connection of a web process."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock, self._answered = threading.Lock(), False

    def beat(self) -> None:
        """Show that this process is running, until the answer is sent."""
        with self._lock, suppress(OSError):
            if not self._answered:
                self.sock.send(b"\n", socket.MSG_DONTWAIT)

    def answer(self, answer: Answer) -> None:
        with self._lock, suppress(OSError):  # On purpose: the web process may have ended.
            self._answered = True
            self.sock.sendall(line(answer))
            self.sock.shutdown(socket.SHUT_WR)

    def discard(self) -> None:
        """Read what still comes until the web process has the answer, and closes the connection."""
        until = time.monotonic() + DISCARD_SECONDS
        with suppress(OSError):
            self.sock.settimeout(DISCARD_SECONDS)
            while time.monotonic() < until and self.sock.recv(65536):
                continue


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a socket for this account alone. The file of a relay that has ended is replaced. Raises Taken."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid not in (0, os.geteuid()):
        raise Taken(f"{path.parent} belongs to another account")
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        if not file_locks.locked(lock):
            raise Taken(f"another relay listens on {path}")
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(CONNECTIONS_MAX)
            listener.settimeout(LOOK_SECONDS)
            try:
                yield listener
            finally:
                path.unlink(missing_ok=True)
