"""An upload that arrives at the relay: what is to be done, and the files in pieces (`store/starts/relay/protocol.py`)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from msgspec import MsgspecError, Struct

from store.starts.relay.protocol import CHUNK_BYTES_MAX, LENGTH_BYTES, LINE_BYTES_MAX, UPLOAD_BYTES_MAX, Answer, FileHead, Order

Content = TypeVar("Content", bound=Struct)

#: How long the web process may send nothing: its own callers are slower at times, and have a least rate.
SILENT_SECONDS_MAX = 60.0


class Broken(Exception):
    """The rest of the upload does not arrive: its caller or the web process has ended it, or it is late."""


class Nothing(Broken):
    """Nothing was sent: somebody looked whether the relay is running."""


class NotTaken(Exception):
    """The upload is answered, and carried no further."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, kw_only=True)
class IncomingFile:
    """A file of an upload. Its chunks are to be taken before the next file."""

    part: str
    content_type: str
    chunks: Iterator[bytes] = field(repr=False)


class Incoming:
    """An upload that arrives over a socket, until a deadline (`time.monotonic`)."""

    def __init__(self, sock: socket.socket, *, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._reader = sock.makefile("rb")
        self._received = 0

    def order(self) -> Order:
        """Return what is to be done with the files. Raises Nothing and Broken."""
        line = self._timed(lambda: self._reader.readline(LINE_BYTES_MAX))
        if not line:
            raise Nothing
        return self._content(self._whole(line), Order)

    def files(self) -> Iterator[IncomingFile]:
        """Yield the files, once. Raises Broken, and NotTaken if they are too large together."""
        while (line := self._line()) != b"\n":
            head, chunks = self._content(line, FileHead), self._chunks()
            yield IncomingFile(part=head.part, content_type=head.content_type, chunks=chunks)
            for _ in chunks:
                continue

    def _chunks(self) -> Iterator[bytes]:
        while count := int.from_bytes(self._read(LENGTH_BYTES), "big"):
            self._received += count
            if count > CHUNK_BYTES_MAX:
                raise Broken("a chunk is too large")
            if self._received > UPLOAD_BYTES_MAX:
                raise NotTaken(Answer(status=413, detail="The images are too large together."))
            yield self._read(count)

    def _content(self, line: bytes, kind: type[Content]) -> Content:
        try:
            return msgspec.json.decode(line, type=kind)
        except MsgspecError as error:
            raise Broken("a line is in no known form") from error

    def _line(self) -> bytes:
        return self._whole(self._timed(lambda: self._reader.readline(LINE_BYTES_MAX)))

    def _whole(self, found: bytes) -> bytes:
        if not found.endswith(b"\n"):
            raise Broken("it ended early")
        return found

    def _read(self, count: int) -> bytes:
        found = self._timed(lambda: self._reader.read(count))
        if len(found) < count:
            raise Broken("it ended early")
        return found

    def _timed(self, read: Callable[[], bytes]) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Broken("it is too late")
        self._sock.settimeout(min(SILENT_SECONDS_MAX, left))
        try:
            return read()
        except OSError as error:
            raise Broken("it ended early") from error
