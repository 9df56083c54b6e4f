"""Images go through Standing to vendors that are played, and again where a verdict asks for some of them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.service import Answer, Service, eventually
from tests.support.vendors.played import play, seen
from tests.support.vendors.starts import show, upload, wanted

FRONT, BACK, FACE = (b"\xff\xd8\xff\xe0 a picture of " + what for what in (b"the front", b"the back", b"a face"))

#: A card, and a face.
DOCUMENTS = [
    {"type": "ID_CARD", "side": "FRONT", "country": "KZ", "part": "front"},
    {"type": "ID_CARD", "side": "BACK", "country": "KZ", "part": "back"},
    {"type": "SELFIE", "country": "KZ", "part": "face"},
]
IMAGES = {"front": FRONT, "back": BACK, "face": FACE}


def begun(service: Service, vendor: str = "idngo", **values: Any) -> Answer:
    return upload(service, "/v1/verifications", wanted(vendor, mode="documents", documents=DOCUMENTS, **values), IMAGES)


def test_all_images_arrive_and_a_verdict_is_asked_for(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    told = begun(service).json
    assert (told["status"], told["failure"]) == ("submitted", None)
    assert [(one["type"], one["side"], one["size"], one["taken"]) for one in told["uploads"]] == [
        ("ID_CARD", "FRONT", len(FRONT), True), ("ID_CARD", "BACK", len(BACK), True), ("SELFIE", None, len(FACE), True),
    ]  # fmt: skip
    there = seen(vendors, "idngo")
    assert (there["credits"], len(there["uploads"]), there["submitted"].count(told["reference"])) == (1, 3, 1)


def test_only_what_failed_is_taken_again_and_the_verdict_is_asked_for_again(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    play(vendors, "idngo", {"next": ["RED:RETRY", "GREEN"], "failed": ["IDENTITY/BACK_SIDE"]})
    told = begun(service).json
    eventually(lambda: show(service, told["id"])["to_send_again"], "what failed to be asked for")
    [problem] = show(service, told["id"])["to_send_again"]
    assert (problem["type"], "internal_comment" in str(problem)) == ("ID_CARD", False)
    eventually(lambda: show(service, told["id"])["ended_at"], "the verdict to end it")
    path = f"/v1/verifications/{told['id']}/documents"
    only_face = upload(service, path, {"documents": DOCUMENTS[2:]}, {"face": FACE + b"!"})
    assert (only_face.status, "ID_CARD FRONT, ID_CARD BACK" in only_face.json["detail"]) == (422, True)
    again = upload(service, path, {"documents": DOCUMENTS[:2]}, {"front": FRONT + b"!", "back": BACK + b"!"})
    assert (again.status, again.json["status"], again.json["ended_at"]) == (202, "submitted", None)
    assert seen(vendors, "idngo")["submitted"].count(told["reference"]) == 2
    eventually(lambda: service.applicant("idngo", told["reference"])["status"] == "approved", "the second verdict")


def test_images_are_sent_again_after_an_outage_with_the_same_key(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    body, key = wanted("idngo", mode="documents", documents=DOCUMENTS), uuid.uuid4().hex
    play(vendors, "idngo", {"fault": "500", "path": "idDoc", "times": 1})
    failed = upload(service, "/v1/verifications", body, IMAGES, key=key)
    assert failed.status == 503
    assert show(service, failed.json["id"])["status"] == "waiting_for_documents"
    again = upload(service, "/v1/verifications", body, IMAGES, key=key)
    assert (again.status, again.json["id"], again.json["status"]) == (202, failed.json["id"], "submitted")
    assert upload(service, "/v1/verifications", body, IMAGES, key=key).json == again.json
    assert (seen(vendors, "idngo")["credits"], len(seen(vendors, "idngo")["uploads"])) == (1, 3)


def test_a_bad_side_makes_both_inactive_and_both_are_missing(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    play(vendors, "idngo", {"fault": "bad_image", "path": "idDoc", "times": 1})
    told = begun(service).json
    assert told["status"] == "waiting_for_documents"
    assert set(told["failure"]["missing"]) == {"ID_CARD FRONT", "ID_CARD BACK"}
    path = f"/v1/verifications/{told['id']}/documents"
    again = upload(service, path, {"documents": DOCUMENTS[:2]}, {"front": FRONT + b"!", "back": BACK + b"!"})
    assert again.json["status"] == "submitted"


def test_a_document_that_idenfy_does_not_see_is_told_and_the_next_photo_is_taken(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    play(vendors, "idenfy", {"fault": "unseen", "times": 1, "path": "/process"})
    refused = begun(service, "idenfy")
    assert (refused.status, "not seen" in refused.json["detail"]) == (422, True)
    path = f"/v1/verifications/{refused.json['id']}/documents"
    assert upload(service, path, {"documents": DOCUMENTS}, IMAGES).json["status"] == "submitted"
    # A token is burnt by one call, so that the second photo took a second one.
    assert seen(vendors, "idenfy")["credits"] == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"GIF89a a picture", "does not begin"), (b"%PDF-1.7 /Encrypt 5 0 R", "does not begin")],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(both: tuple[Service, Vendors], content: bytes, says: str) -> None:
    service, vendors = both
    answer = upload(service, "/v1/verifications", wanted("idngo", mode="documents", documents=DOCUMENTS), IMAGES | {"front": content})
    assert (answer.status, says in answer.json["detail"]) == (422, True)
    assert seen(vendors, "idngo")["uploads"] == []
