"""Images go from the caller through a web process and the relay to the vendor: whatever is killed, one verification is paid, and no image
is left anywhere."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.journeys.operation import marks
from tests.support.network.uploading import BOUNDARY, form
from tests.support.service import Answer, Service, children, eventually
from tests.support.vendors.played import play, seen
from tests.support.vendors.starts import STARTER, show, starting, wanted

DOCUMENTS = [
    {"type": "ID_CARD", "side": "FRONT", "country": "LT", "part": "front"},
    {"type": "ID_CARD", "side": "BACK", "country": "LT", "part": "back"},
    {"type": "SELFIE", "country": "LT", "part": "face"},
]

#: No image holds it by chance, and so no other content does.
MARK = b"cAnArYq8-of-an-image"
IMAGES = {part: b"\xff\xd8\xff\xe0" + part.encode() + MARK * 20_000 for part in ("front", "back", "face")}
FORMS = (MARK, *(base64.b64encode(b"x" * shift + MARK)[4:-4] for shift in range(3)))


@pytest.fixture
def both(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[Service, Vendors]]:
    (temporary := tmp_path / "temporary").mkdir()
    with starting(tmp_path, database_url, redis_url, TMPDIR=str(temporary), SPOOL_DIR=str(tmp_path / "spool")) as running:
        play(running[1], "idngo", {"requires": ["IDENTITY", "SELFIE"]})
        yield running


def asked(vendor: str) -> dict[str, Any]:
    return wanted(vendor, mode="documents", documents=DOCUMENTS)


def send(service: Service, path: str, content: dict[str, Any], *, key: str = "") -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Idempotency-Key": key or uuid.uuid4().hex}
    return service.request("POST", path, form(content, IMAGES), headers, token=STARTER, timeout=90)


def started(service: Service, vendor: str) -> Answer:
    return send(service, "/v1/verifications", asked(vendor))


def again(service: Service, verification_id: str) -> Answer:
    return send(service, f"/v1/verifications/{verification_id}/documents", {"documents": DOCUMENTS})


def arrived(vendors: Vendors, vendor: str) -> list[str]:
    return sorted(upload["sha256"] for upload in seen(vendors, vendor)["uploads"] if upload["active"])


DIGESTS = sorted(hashlib.sha256(image).hexdigest() for image in IMAGES.values())


@pytest.mark.parametrize("vendor", ["idngo", "idenfy"])
def test_one_request_starts_a_verification_and_sends_its_images(both: tuple[Service, Vendors], vendor: str) -> None:
    service, vendors = both
    answer = started(service, vendor)
    assert (answer.status, answer.json["status"]) == (202, "submitted"), answer.body
    assert arrived(vendors, vendor) == DIGESTS
    eventually(lambda: service.get(f"/v1/applicants/{vendor}/{answer.json['reference']}").status == 200, "the applicant to be known")


BEGUN = ("start sent", "start answered", "start linked")
POINTS = {"idngo": (*BEGUN, "image sent", "image recorded", "start submitted"), "idenfy": (*BEGUN, "images sent", "images recorded")}


@pytest.mark.parametrize(("vendor", "point"), [(vendor, point) for vendor, points in POINTS.items() for point in points])
def test_wherever_the_relay_is_killed_one_verification_is_paid_and_the_images_arrive(
    tmp_path: Path, both: tuple[Service, Vendors], vendor: str, point: str
) -> None:
    service, vendors = both
    (tmp_path / "faults" / point).write_text("kill")
    answer = started(service, vendor)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30"), answer.body
    verification_id = answer.json["id"]
    relays = service.logged().count("the relay is up")
    service.run("standing", "relay")
    eventually(lambda: service.logged().count("the relay is up") > relays, "the relay to be up")
    answer = again(service, verification_id)
    assert seen(vendors, vendor)["credits"] == 1
    if vendor == "idenfy" and point == "start answered":
        # iDenfy has no key: the session whose answer was lost is found, and no other is bought before somebody asks for it.
        assert (answer.status, show(service, verification_id)["status"]) == (409, "failed")
        return
    told = eventually(lambda: found if (found := show(service, verification_id))["status"] == "submitted" else None, "it to be submitted")
    assert told["failure"] is None
    assert arrived(vendors, vendor) == DIGESTS


def test_a_web_process_that_is_killed_in_the_middle_leaves_a_verification_that_takes_the_images_again(
    both: tuple[Service, Vendors],
) -> None:
    service, vendors = both
    content, broken = asked("idngo"), service.logged().count("an upload did not arrive whole")
    body = form(content, IMAGES)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as caller:
        head = (
            f"POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {STARTER}\r\nIdempotency-Key: killed\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        caller.sendall(head.encode() + body[: len(body) // 2])
        mine = {"external_user_id": content["external_user_id"]}
        [told] = eventually(lambda: service.get("/v1/verifications", token=STARTER, **mine).json["data"], "the verification to be written")
        for pid in children(service.web.pid):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: service.logged().count("an upload did not arrive whole") > broken, "the relay to notice")
    eventually(service.is_up, "another web process")
    answer = again(service, told["id"])
    assert (answer.status, answer.json["status"]) == (202, "submitted"), answer.body
    assert arrived(vendors, "idngo") == DIGESTS


@pytest.mark.parametrize(("vendor", "point"), [("idngo", "start submitted"), ("idenfy", "images recorded")])
def test_the_same_request_is_answered_after_its_images_arrived_and_its_answer_was_lost(
    tmp_path: Path, both: tuple[Service, Vendors], vendor: str, point: str
) -> None:
    service, vendors = both
    (tmp_path / "faults" / point).write_text("kill")
    body, key = asked(vendor), "the key of a test"
    answer = send(service, "/v1/verifications", body, key=key)
    assert answer.status == 503, answer.body
    service.run("standing", "relay")
    eventually(lambda: service.logged().count("the relay is up") == 2, "the relay to be up")
    again = send(service, "/v1/verifications", body, key=key)
    assert (again.status, again.json["id"], again.json["status"]) == (202, answer.json["id"], "submitted")
    assert send(service, "/v1/verifications", body, key=key).json == again.json
    assert seen(vendors, vendor)["credits"] == 1
    assert arrived(vendors, vendor) == DIGESTS


def test_a_body_that_breaks_off_is_answered_with_the_id_and_sent_again_with_the_same_key(both: tuple[Service, Vendors]) -> None:
    service, _ = both
    body, headers = asked("idngo"), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Idempotency-Key": "the key of a test"}
    broken = service.request("POST", "/v1/verifications", form(body, IMAGES)[:-1000], headers, token=STARTER, timeout=90)
    assert (broken.status, show(service, broken.json["id"])["status"]) == (400, "waiting_for_documents")
    again = send(service, "/v1/verifications", body, key="the key of a test")
    assert (again.status, again.json["id"], again.json["status"]) == (202, broken.json["id"], "submitted")


def test_without_the_right_to_start_no_image_is_read(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    body, headers = form(asked("idngo"), IMAGES), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Idempotency-Key": "x"}
    answers = [service.request("POST", "/v1/verifications", body, headers, token=token) for token in (None, "read-me-if-you-may")]
    assert [answer.status for answer in answers] == [401, 403]
    assert seen(vendors, "idngo")["requests"] == []


def test_images_are_nowhere_but_at_the_vendor(tmp_path: Path, both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    answers = [started(service, vendor) for vendor in ("idngo", "idenfy")]
    for vendor, fault in (("idngo", "1004"), ("idngo", "cut"), ("idngo", "nonsense"), ("idenfy", "unseen"), ("idenfy", "lost")):
        path = "info/idDoc" if vendor == "idngo" else "/process"
        play(vendors, vendor, {"fault": fault, "times": 1, "path": path})
        answers.append(started(service, vendor))
    (tmp_path / "faults" / "image sent").write_text("raise")
    answers.append(started(service, "idngo"))
    assert [answer.status for answer in answers] == [202, 202, 422, 503, 503, 422, 202, 500]
    said = b"".join(repr(answer.headers).encode() + answer.body for answer in answers)
    places = [("an answer", said), *marks.rows(service), *marks.files(service, []), *marks.queue(service), *marks.dumped(service)]
    assert len(places) > 20
    assert [place for place, content in places if any(one in content for one in FORMS)] == []
