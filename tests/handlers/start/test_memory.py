"""An image is in memory once, however large it is: what a call allocates beside it is counted."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from handlers.start.images import Image, is_encrypted, wrong
from store.starts.wanted.person import Document, DocumentType
from tests.support.vendors import starting

MEGABYTE = 1024 * 1024
PASSPORT = Document(type=DocumentType.PASSPORT, country="KZ")

#: A vendor in a process of its own, so that what it reads is not counted. It answers everything with its argument.
DRAINING = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as read:
        length = 0
        while (line := read.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while length > 0 and (came := read.read(min(length, 65536))):
            length -= len(came)
        body = sys.argv[1].encode()
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
"""


@contextmanager
def draining(answer: str) -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", DRAINING, answer], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def image(megabytes: int, *, pieces: int) -> Image:
    """An image of so many megabytes that is held in so many pieces."""
    size = megabytes * MEGABYTE // pieces
    return Image(pieces=tuple(bytearray(b"\xff\xd8\xff") + bytes(size - 3) for _ in range(pieces)), content_type="image/jpeg")


def allocated(call: Callable[[], Any]) -> int:
    """The most bytes that a call had at a time, beside what was there before it."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("pieces", [1, 64, 1024])
def test_an_upload_of_64_mb_holds_one_copy(pieces: int) -> None:
    large = image(64, pieces=pieces)
    with draining("{}") as url:
        vendor = starting.idngo(url)
        assert allocated(lambda: vendor.upload("68a7d46b", PASSPORT, large)) < 2 * MEGABYTE


@pytest.mark.parametrize("pieces", [1, 1000])
def test_a_request_of_20_mb_holds_one_copy_and_no_base64(pieces: int) -> None:
    images = {"FRONT": image(7, pieces=pieces), "FACE": image(7, pieces=pieces)}
    with draining("") as url:
        vendor = starting.idenfy(url)
        call = {"auth_token": "token-1", "country": "LT", "document_type": None, "images": images}
        assert allocated(lambda: vendor.process(**call)) < 2 * MEGABYTE


def test_checks_copy_nothing() -> None:
    large = image(60, pieces=60)
    assert allocated(lambda: (wrong(large, vendor="idngo"), is_encrypted(large.pieces))) < MEGABYTE
