"""The relay's client: it passes an upload on to the relay of this host, piece by piece, and returns what the relay answers.

The relay (`standing relay`) calls the vendors; a web process never does.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import structlog
from msgspec import MsgspecError

from receiver.web.uploads import UploadedFile
from store.config import settings
from store.starts.relay import local_peers
from store.starts.relay.local_peers import NotRunning
from store.starts.relay.protocol import CHUNK_BYTES_MAX, SILENT_SECONDS, Answer, FileHead, Order, length, line, unavailable
from store.starts.wanted.person import Document

log = structlog.get_logger()

#: What the relay answers an upload.
RelayAnswer = Answer

#: How long the relay is waited for, before it is looked whether it still runs.
LOOK_SECONDS = 1.0

UNAVAILABLE = "The images cannot be passed on now, and were not kept. Please send them again."


class _Lost(Exception):
    """The relay hangs, or ended before it answered."""


class _Answered(Exception):
    """The relay has answered, perhaps before it had read everything."""

    def __init__(self, answer: RelayAnswer) -> None:
        self.answer = answer


def pass_on(
    verification_id: str,
    *,
    actor: str,
    documents: Sequence[Document],
    files: Iterable[UploadedFile],
    deadline: float,
    skip_analysis: bool = False,
    path: Path | None = None,
) -> RelayAnswer:
    """Pass files on; return the relay's answer, or 503 if there is none by the deadline (`time.monotonic`). Raises what the files raise."""
    order = Order(verification_id=verification_id, actor=actor, documents=list(documents), skip_analysis=skip_analysis)
    try:
        with local_peers.connected(path or settings().relay_socket) as sock:
            return _Line(sock, deadline).exchange(order, files)
    except (NotRunning, _Lost) as lost:
        log.error("an upload was not passed on: is `standing relay` running?", verification_id=verification_id, cause=str(lost))
        return unavailable(UNAVAILABLE)


class _Line:
    """A connection to the relay, which may answer at any time."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._heard_at = time.monotonic()
        self._unread = b""

    def exchange(self, order: Order, files: Iterable[UploadedFile]) -> RelayAnswer:
        """Send an upload; return the answer, as soon as there is one. Raises _Lost."""
        try:
            self._send(line(order))
            for file in files:
                self._send_file(file)
            self._send(b"\n")
            while True:
                self._look(LOOK_SECONDS)
        except _Answered as answered:
            return answered.answer

    def _send_file(self, file: UploadedFile) -> None:
        self._send(line(FileHead(part=file.part, content_type=file.content_type)))
        for chunk in file.chunks:
            for start in range(0, len(chunk), CHUNK_BYTES_MAX):
                piece = memoryview(chunk)[start : start + CHUNK_BYTES_MAX]
                self._send(length(len(piece)))
                self._send(piece)
        self._send(length(0))

    def _send(self, content: bytes | memoryview) -> None:
        left = memoryview(content)
        while left:
            self._look(0.0)
            self._sock.settimeout(LOOK_SECONDS)
            try:
                left = left[self._sock.send(left) :]
            except TimeoutError:
                continue
            except OSError as error:
                self._read_last_words(error)

    def _read_last_words(self, error: OSError) -> None:
        """Raise _Answered if the relay answered before it closed the connection, else _Lost."""
        try:
            while True:
                self._look(LOOK_SECONDS)
        except _Lost as lost:
            raise lost from error

    def _look(self, seconds: float) -> None:
        """Read what the relay says within a time. Raises _Answered once it has answered, _Lost if it is gone, silent or too late."""
        self._sock.settimeout(seconds)
        try:
            received = self._sock.recv(CHUNK_BYTES_MAX)
        except (BlockingIOError, TimeoutError):
            self._check_time()
            return
        except OSError as error:
            raise _Lost("the relay ended") from error
        if not received:
            raise _Lost("the relay ended")
        self._heard_at = time.monotonic()
        *lines, self._unread = (self._unread + received).split(b"\n")
        for one in filter(None, lines):
            raise _Answered(_decoded(one))

    def _check_time(self) -> None:
        now = time.monotonic()
        if now > self._deadline or now - self._heard_at > SILENT_SECONDS:
            raise _Lost("the relay did not answer in time")


def _decoded(answer: bytes) -> RelayAnswer:
    try:
        return msgspec.json.decode(answer, type=RelayAnswer)
    except MsgspecError as error:
        raise _Lost("the relay answered in no known form") from error
