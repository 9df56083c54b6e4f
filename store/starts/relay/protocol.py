"""The relay's protocol: how a web process passes an upload on over a local socket, and how the relay answers.

An upload is a line with an `Order`, then for each file a line with a `FileHead` and chunks, then an empty line. A chunk is its length (4
bytes, the highest first) and so many bytes; a length of 0 ends the file. The relay answers with a line that holds an `Answer`, at any
time. Until then it sends an empty line every `BEAT_SECONDS`, which shows that it is running. Lines hold JSON.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from store.starts.wanted.person import Document

#: What one upload may hold in all, and what a line of the protocol may hold.
UPLOAD_BYTES_MAX, LINE_BYTES_MAX = 64 * 1024 * 1024, 256 * 1024

#: The largest chunk.
CHUNK_BYTES_MAX = 1024 * 1024

#: How often the relay shows that it is running, and after how long without that it is not.
BEAT_SECONDS, SILENT_SECONDS = 3.0, 15.0

#: How long an upload may wait for its turn, in a web process and again in the relay.
TURN_SECONDS_MAX = 60.0

#: How many seconds the sender of an upload should wait before it sends it again.
AGAIN_SECONDS = 30

LENGTH_BYTES = 4

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Order(Struct, frozen=True, kw_only=True):
    """What is to be done with the files of an upload."""

    verification_id: Name
    #: The name of the token, or of the account, that sends them.
    actor: Name
    #: Which images there are, each with the name of its part.
    documents: list[Document]
    #: Why they are sent, where somebody said it. It is recorded.
    reason: str | None = None
    #: iDenfy: take photos that it does not see a document in.
    skip_analysis: bool = False


class FileHead(Struct, frozen=True, kw_only=True):
    """What comes before the chunks of a file."""

    part: Name
    content_type: str


class Answer(Struct, frozen=True, kw_only=True):
    """What the web process answers its caller. 202: the images were passed on, and the verification's row holds the rest."""

    status: int
    detail: str | None = None
    retry_after: int | None = None


def line(content: Struct) -> bytes:
    """Return a line of the protocol."""
    return msgspec.json.encode(content) + b"\n"


def length(count: int) -> bytes:
    """Return what comes before a chunk of so many bytes."""
    return count.to_bytes(LENGTH_BYTES, "big")


def unavailable(detail: str) -> Answer:
    """Return the answer to an upload that cannot be passed on at once. Nothing of it is kept."""
    return Answer(status=503, detail=detail, retry_after=AGAIN_SECONDS)
