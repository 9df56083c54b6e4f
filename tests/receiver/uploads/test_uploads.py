"""Uploads: a web process passes images on to the relay in pieces, and answers what the relay answers."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.receiver.uploads.conftest import Uploading
from tests.support import payloads
from tests.support.network import uploading, wire
from tests.support.network.uploading import BOUNDARY, multipart
from tests.support.service import Answer, eventually

HEADERS = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
MIB = 1024 * 1024


def digests(images: dict[str, bytes]) -> dict[str, dict[str, object]]:
    return {part: {"size": len(image), "sha256": hashlib.sha256(image).hexdigest()} for part, image in images.items()}


@pytest.mark.parametrize("chunks", [None, 40], ids=["length", "chunked"])
def test_images_arrive_byte_for_byte(uploading_service: Uploading, chunks: int | None) -> None:
    """The service's MAX_BODY_BYTES is 4000: it is none of an upload's limits."""
    images = {"front": os.urandom(3_000_000), "back": b"", "face": b"\r\n--\r\n" * 50_000, "odd": b"\r", "end": BOUNDARY.encode() * 9}
    body = multipart("idngo:take:0", images)
    answer = wire.send(uploading_service, "POST", "/uploads", headers=HEADERS, body=body, chunks=chunks)
    assert answer.status == 202, answer.body
    assert answer.json == digests(images)


def test_what_the_relay_refuses_early_is_answered_although_the_rest_is_still_sent(uploading_service: Uploading) -> None:
    body = multipart("idngo:refuse", {"front": os.urandom(40 * MIB)})
    kept, closed = uploading_service.upload_body(body), uploading_service.upload_body(body, Connection="close")
    for answer in (kept, closed):
        assert (answer.status, answer.json["detail"]) == (422, "The vendor refuses this.")


def test_an_upload_over_the_limit_is_refused(uploading_service: Uploading) -> None:
    announced = uploading_service.request("POST", "/uploads", b"", dict(HEADERS) | {"Content-Length": str(64 * MIB + 1)})
    body = multipart("idngo:take:0", {"front": bytes(64 * MIB)})
    sent = wire.send(uploading_service, "POST", "/uploads", headers=HEADERS, body=body, chunks=64)
    assert (announced.status, sent.status) == (413, 413)


JSON = b'--%s\r\nContent-Disposition: form-data; name="x"\r\nContent-Type: application/json\r\n\r\n' % BOUNDARY.encode()
MALFORMED = {
    "no parts": b"",
    "another boundary": multipart("idngo:take:0", {"front": b"x"}).replace(BOUNDARY.encode(), b"another"),
    "no end": multipart("idngo:take:0", {"front": b"x" * 100_000}, end=False),
    "no JSON first": multipart("idngo:take:0", {"front": b"x"}).replace(b"application/json", b"text/plain"),
    "a part without a name": multipart("idngo:take:0", {"front": b"x"}).replace(b'name="front"; ', b""),
    "a part without a disposition": multipart("idngo:take:0", {"front": b"x"}).replace(b"Content-Disposition", b"Content-Something"),
    "an endless head": JSON + b'{"id": "idngo:take:0", "documents": []}\r\n--' + BOUNDARY.encode() + b"\r\nX: " + b"x" * 700_000,
    "too many files": multipart("idngo:take:0", {f"part-{number}": b"x" for number in range(33)}),
    "an endless epilogue": multipart("idngo:take:0", {"front": b"x"}) + b"x" * 700_000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_upload_is_refused(uploading_service: Uploading, name: str) -> None:
    answer = uploading_service.upload_body(MALFORMED[name])
    assert answer.status == 400, answer.body
    assert answer.json["request_id"]


def test_the_json_part_is_bounded(uploading_service: Uploading) -> None:
    assert uploading_service.upload_body(JSON + b'"' + b"x" * 70_000 + b'"\r\n--' + BOUNDARY.encode() + b"--\r\n").status == 413


@pytest.mark.parametrize("content_type", ["multipart/form-data", f"multipart/form-data; boundary={'x' * 71}", "application/json", ""])
def test_what_is_no_multipart_with_a_sane_boundary_is_refused(uploading_service: Uploading, content_type: str) -> None:
    headers = [("Content-Type", content_type)]
    assert wire.send(uploading_service, "POST", "/uploads", headers=headers, body=MALFORMED["no end"]).status == 400


def begun(service: Uploading, body: bytes, announced: int) -> socket.socket:
    """An upload whose rest is not sent."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = f"POST /uploads HTTP/1.1\r\nHost: x\r\nContent-Type: {HEADERS[0][1]}\r\nContent-Length: {announced}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def test_a_caller_that_goes_away_in_the_middle_holds_nobody_up(uploading_service: Uploading) -> None:
    body = multipart("idngo:take:0", {"front": os.urandom(2 * MIB)}, end=False)
    before = uploading_service.logged().count("an upload did not arrive whole")
    begun(uploading_service, body, len(body) + 1000).close()
    assert uploading_service.upload("idngo:take:0", {"front": b"x"}).status == 202
    eventually(lambda: uploading_service.logged().count("an upload did not arrive whole") > before, "the relay to notice")


def test_a_caller_that_sends_too_slowly_is_refused_and_deliveries_do_not_wait_for_it(uploading_service: Uploading) -> None:
    body = multipart("idngo:take:0", {"front": os.urandom(MIB)}, end=False)
    began = time.monotonic()
    with begun(uploading_service, body[:400_000], len(body)) as connection:
        uploading_service.kept("idngo", payloads.idngo(payloads.new_applicant()))
        assert time.monotonic() - began < 22, "the upload is not refused yet"
        # 24 seconds are allowed for what was sent, at 16 KiB a second.
        connection.settimeout(60)
        with suppress(OSError):
            assert connection.recv(12) == b"HTTP/1.1 408"
        assert 22 < time.monotonic() - began < 32


def test_marked_bytes_of_images_are_nowhere(uploading_service: Uploading) -> None:
    mark = b"cAnArYq7-image"
    answers = [uploading_service.upload(f"idngo:{what}", {"front": mark * 10_000}) for what in ("take:0", "fail", "refuse")]
    answers += [uploading_service.upload_body(MALFORMED[name].replace(b"x" * 1000, mark * 100)) for name in ("no end", "an endless head")]
    assert [answer.status for answer in answers] == [202, 500, 422, 400, 400]
    assert all(mark not in answer.body for answer in answers)
    kept = [path for path in uploading_service.folder.rglob("*") if path.is_file() and mark in path.read_bytes()]
    assert not kept
    assert uploading.BOUNDARY not in uploading_service.logged()


def test_four_uploads_at_once_are_all_passed_on(uploading_service: Uploading) -> None:
    def one(number: int) -> Answer:
        return uploading_service.upload("idngo:take:0.5", {f"front-{number}": os.urandom(5 * MIB)})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(one, range(4)))
    assert [answer.status for answer in answers] == [202] * 4
