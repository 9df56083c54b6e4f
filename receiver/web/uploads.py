"""Uploads: a multipart request that is read as a stream. Its first part is JSON, and each further part is a file.

A web process receives one upload at a time. It holds a piece of a file, and never a whole one. Uploads have limits of their own
(`limits.Phase.UPLOAD`), and deliveries do not wait for them.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, Preamble

from receiver.connections import limits
from receiver.web import request_body
from receiver.web.problems import Problem
from store.starts.relay.protocol import AGAIN_SECONDS, TURN_SECONDS_MAX, UPLOAD_BYTES_MAX
from store.starts.wanted.person import PART_CHARS_MAX

#: What the part with the JSON may hold, and what is read at a time.
JSON_BYTES_MAX, PIECE_BYTES = 64 * 1024, 256 * 1024

#: The longest boundary between parts (RFC 2046), the longest head of a part, and the most files.
BOUNDARY_CHARS_MAX, HEAD_BYTES_MAX, PARTS_MAX = 70, 16 * 1024, 32

#: How many uploads may wait for their turn; a further one is refused at once.
WAITING_MAX = 32

#: How long the rest of a refused upload is read, so that its caller comes to reading the answer.
DISCARD_SECONDS = 10.0

MULTIPART = "multipart/form-data"


@dataclass(frozen=True, kw_only=True)
class UploadedFile:
    """A file of an upload. Its chunks are to be taken before the next file."""

    part: str
    content_type: str
    chunks: Iterator[bytes] = field(repr=False)


class Upload:
    """An upload that is being received: the JSON of its first part, and its files in their order."""

    def __init__(self, stream: Any, boundary: bytes) -> None:
        self._parts = _Parts(stream, boundary)
        #: When the upload must have been received, passed on and answered, by `time.monotonic`.
        self.deadline = time.monotonic() + limits.UPLOAD_SECONDS_MAX
        self.content = self._json()

    def files(self) -> Iterator[UploadedFile]:
        """Yield the files, once. Raises what the whole body's sender is at fault for: 400, 408, 413."""
        for number in itertools.count():
            head = self._parts.next()
            if isinstance(head, Epilogue):
                return
            if number == PARTS_MAX:
                raise _malformed(f"The body has more than {PARTS_MAX} files.")
            if not isinstance(head, Field | File) or not head.name or len(head.name) > PART_CHARS_MAX:
                raise _malformed(f"Each part of the body needs a name of at most {PART_CHARS_MAX} characters.")
            content_type = head.headers.get("Content-Type", "application/octet-stream")
            yield UploadedFile(part=head.name, content_type=content_type, chunks=self._parts.chunks())

    def _json(self) -> bytes:
        head = self._parts.next()
        if not isinstance(head, Field | File) or head.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise _malformed("The first part of the body must be JSON, with the content type application/json.")
        found = bytearray()
        for chunk in self._parts.chunks():
            found += chunk
            if len(found) > JSON_BYTES_MAX:
                raise Problem(413, f"The first part of the body is larger than {JSON_BYTES_MAX // 1024} KiB.")
        return bytes(found)


class _Parts:
    """The parts of a body, read piece by piece."""

    def __init__(self, stream: Any, boundary: bytes) -> None:
        self._stream, self._received = stream, 0
        self._decoder = MultipartDecoder(boundary, max_form_memory_size=PIECE_BYTES + HEAD_BYTES_MAX)

    def next(self) -> Event:
        """Return the head of the next part, or the end."""
        while isinstance(event := self._event(), Preamble | Data):
            pass
        return event

    def chunks(self) -> Iterator[bytes]:
        """Yield the content of the part whose head was returned last."""
        while isinstance(event := self._event(), Data):
            if event.data:
                yield event.data
            if not event.more_data:
                return

    def _event(self) -> Event:
        while isinstance(event := self._decoded(), NeedData):
            self._receive()
        return event

    def _decoded(self) -> Event:
        try:
            return self._decoder.next_event()
        except ValueError as error:
            raise _malformed("The body is not whole, or not multipart/form-data as it is written down.") from error

    def _receive(self) -> None:
        with request_body.faults():
            piece = self._stream.read(PIECE_BYTES)
        self._received += len(piece)
        if self._received > UPLOAD_BYTES_MAX:
            raise RequestEntityTooLarge
        try:
            self._decoder.receive_data(piece or None)
        except RequestEntityTooLarge as error:
            raise _malformed("The head of a part is too large, or something follows the last part.") from error
        # Other greenlets come in between also where neither end has to be waited for.
        time.sleep(0)


_turn, _waiting = threading.Lock(), threading.BoundedSemaphore(WAITING_MAX)


def is_one() -> bool:
    """Return whether the current request is an upload."""
    return request.mimetype == MULTIPART


@contextmanager
def received() -> Iterator[Upload]:
    """Receive the current request as an upload, once it is its turn.

    Raises problems: 400 if it is malformed, 408 if it is too slow, 413 if it is too large, 503 if others take too long."""
    boundary = _boundary()
    request_body.refuse_announced_size(UPLOAD_BYTES_MAX)
    try:
        with _in_turn(), limits.receiving_upload(request.environ):
            yield Upload(request.environ["wsgi.input"], boundary)
    finally:
        _discard_the_rest()


def _boundary() -> bytes:
    given = request.mimetype_params.get("boundary", "")
    if not is_one() or not 0 < len(given) <= BOUNDARY_CHARS_MAX or not given.isascii():
        raise _malformed("The body must be multipart/form-data with a boundary of at most 70 characters.")
    return given.encode()


@contextmanager
def _in_turn() -> Iterator[None]:
    if not _waiting.acquire(blocking=False):
        raise _busy()
    try:
        mine = _turn.acquire(timeout=TURN_SECONDS_MAX)
    finally:
        _waiting.release()
    if not mine:
        raise _busy()
    try:
        yield
    finally:
        _turn.release()


def _discard_the_rest() -> None:
    """Read the rest of the body for a while. Who sends it may read no answer before the end."""
    stream, until, left = request.environ["wsgi.input"], time.monotonic() + DISCARD_SECONDS, UPLOAD_BYTES_MAX
    with suppress(Exception), limits.receiving_upload(request.environ):  # On purpose: the answer is known already.
        while not getattr(stream, "failed", False) and time.monotonic() < until and left > 0 and (piece := stream.read(PIECE_BYTES)):
            left -= len(piece)


def _malformed(detail: str) -> Problem:
    return Problem(400, detail)


def _busy() -> Problem:
    return Problem(503, "Other uploads are under way. Nothing of this one was read; please try again.", {"Retry-After": str(AGAIN_SECONDS)})
