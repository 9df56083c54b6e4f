"""Images of a verification are passed on to a played vendor: once, checked before, and told in the verification's row."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from handlers.start import documents
from handlers.start.documents import VendorCarrier
from handlers.start.idenfy import IdenfyStart
from handlers.start.uploads.incoming import Broken, IncomingFile, NotTaken
from handlers.start.uploads.passing import missing
from receiver.simulator.vendor_server import Vendors
from store import database
from store.access.operators import Actor
from store.database.vendor_tables import VerificationRequest
from store.starts import acting, asking, carrying, requests
from store.starts.relay.protocol import Answer, Order
from store.starts.wanted.checks import Wanted
from store.starts.wanted.person import Document, DocumentType, Person, Side
from store.system import clock
from tests.support.vendors.played import play, seen

JPEG, PNG = b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"
CARD = {
    "front": Document(type=DocumentType.ID_CARD, side=Side.FRONT, country="LT", part="front"),
    "back": Document(type=DocumentType.ID_CARD, side=Side.BACK, country="LT", part="back"),
    "face": Document(type=DocumentType.SELFIE, country="LT", part="face"),
}
IMAGES = {part: JPEG + part.encode() * 1000 for part in CARD}
VENDORS = ("idngo", "idenfy")
BY = Actor(name="onboarding", by_token=True)


def begun(vendor: str, *, wanted: Mapping[str, Document] = CARD, person: Person | None = None, user: str | None = None) -> str:
    """A verification whose images follow."""
    level = "basic-kyc-level" if vendor == "idngo" else None
    asked = Wanted(
        vendor=vendor,
        mode="documents",
        external_user_id=user or uuid.uuid4().hex,
        level=level,
        documents=list(wanted.values()),
        person=person,
    )
    return database.write(lambda connection: asking.ask(connection, asked, by=BY, key=uuid.uuid4().hex, images_follow=True)).id


def files(images: Mapping[str, bytes], content_type: str = "image/jpeg") -> Iterator[IncomingFile]:
    for part, image in images.items():
        chunks = (image[start : start + 1000] for start in range(0, len(image), 1000))
        yield IncomingFile(part=part, content_type=content_type, chunks=chunks)


def send(verification_id: str, images: Mapping[str, bytes] = IMAGES, *, carrier: VendorCarrier | None = None, **order: Any) -> Answer:
    """What an upload is answered."""
    shown = order.pop("shown", None) or [CARD[part] for part in images]
    made = Order(verification_id=verification_id, actor="onboarding", documents=shown, **order)
    try:
        return (carrier or VendorCarrier("a test")).carry(made, files(images))
    except NotTaken as refusal:
        return refusal.answer


def row(verification_id: str) -> Any:
    return database.read(lambda connection: requests.find(connection, verification_id))


def arrived(vendors: Vendors, vendor: str) -> list[str]:
    """The digests of the images that a vendor has."""
    return [image["sha256"] for image in seen(vendors, vendor)["uploads"] if image["active"]]


DIGESTS = [hashlib.sha256(image).hexdigest() for image in IMAGES.values()]


@pytest.mark.parametrize("vendor", VENDORS)
def test_images_arrive_byte_for_byte_and_the_verification_is_submitted(vendors: Vendors, vendor: str) -> None:
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"]})
    verification = begun(vendor, person=Person(first_name="Jonas", last_name="Jonaitis"))
    assert send(verification) == Answer(status=202)
    found = row(verification)
    assert (found.status, found.failure, found.claimed_by, found.due_at) == ("submitted", None, None, None)
    assert found.reference
    assert sorted(arrived(vendors, vendor)) == sorted(DIGESTS)
    assert seen(vendors, vendor)["credits"] == 1
    assert [(one["type"], one["side"], one["size"], one["taken"]) for one in found.uploads] == [
        (document.type, document.side, len(IMAGES[part]), True) for part, document in CARD.items()
    ]
    assert found.uploads[0]["digest"] == hashlib.sha256(verification.encode() + IMAGES["front"]).hexdigest()


def test_idngo_gets_images_over_time_and_is_asked_for_the_verdict_once_it_has_all(vendors: Vendors) -> None:
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"]})
    verification = begun("idngo")
    assert send(verification, {"front": IMAGES["front"]}).status == 202
    assert (row(verification).status, row(verification).failure["missing"]) == ("waiting_for_documents", ["ID_CARD BACK", "SELFIE"])
    assert send(verification, {part: IMAGES[part] for part in ("back", "face")}).status == 202
    assert row(verification).status == "submitted"
    assert seen(vendors, "idngo")["submitted"] == [row(verification).reference]


def test_an_image_that_idngo_rejects_is_told_and_both_sides_are_sent_again(vendors: Vendors) -> None:
    verification = begun("idngo", wanted={part: CARD[part] for part in ("front", "back")})
    play(vendors, "idngo", {"requires": ["IDENTITY"], "fault": "bad_image", "times": 1, "path": "info/idDoc"})
    assert send(verification, {part: IMAGES[part] for part in ("front", "back")}).status == 202
    found = row(verification)
    assert (found.status, found.failure["missing"]) == ("waiting_for_documents", ["ID_CARD FRONT", "ID_CARD BACK"])
    assert found.failure["says"] == "ID_CARD FRONT: dataNotReadable"
    assert send(verification, {part: IMAGES[part] + b"better" for part in ("front", "back")}).status == 202
    assert row(verification).status == "submitted"


def test_an_image_that_idngo_has_already_is_no_failure(vendors: Vendors) -> None:
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"], "fault": "lost", "times": 1, "path": "info/idDoc"})
    verification = begun("idngo")
    answer = send(verification)
    assert (answer.status, row(verification).status) == (503, "waiting_for_documents")
    assert answer.retry_after
    assert send(verification).status == 202
    assert sorted(arrived(vendors, "idngo")) == sorted(DIGESTS)
    assert row(verification).status == "submitted"


@pytest.mark.parametrize("fault", ["500", "429", "nonsense", "down", "half", "lost", "cut"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_after_any_trouble_the_caller_sends_again_and_nothing_is_bought_twice(vendors: Vendors, vendor: str, fault: str) -> None:
    path = "info/idDoc" if vendor == "idngo" else "/process"
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"]})
    play(vendors, vendor, {"fault": fault, "times": 1, "path": path})
    verification = begun(vendor)
    first, second = send(verification), send(verification)
    assert first.status in (202, 503)
    assert second.status == (409 if first.status == 202 and vendor == "idenfy" else 202)
    assert row(verification).status == "submitted"
    assert seen(vendors, vendor)["credits"] == 1
    assert sorted(arrived(vendors, vendor)) == sorted(DIGESTS)


def test_a_photo_in_which_idenfy_sees_no_document_is_told_and_the_next_session_is_used(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "unseen", "times": 1, "path": "/process"})
    verification = begun("idenfy")
    answer = send(verification)
    assert answer.status == 422
    assert "not found in the photo" in (answer.detail or "")
    assert row(verification).status == "waiting_for_documents"
    assert not any(upload["taken"] for upload in row(verification).uploads)
    assert send(verification).status == 202
    assert (row(verification).status, seen(vendors, "idenfy")["credits"]) == ("submitted", 2)


def test_skip_analysis_is_passed_on(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "unseen", "path": "/process"})
    verification = begun("idenfy")
    assert send(verification, skip_analysis=True).status == 202


@pytest.mark.parametrize(("vendor", "fault"), [("idenfy", "token_limit"), ("idenfy", "402"), ("idngo", "unauthorized"), ("idngo", "1009")])
def test_what_the_caller_cannot_change_fails_the_verification(vendors: Vendors, vendor: str, fault: str) -> None:
    play(vendors, vendor, {"fault": fault, "requires": ["IDENTITY", "SELFIE"]} | ({"path": "info/idDoc"} if fault == "1009" else {}))
    verification = begun(vendor)
    answer = send(verification)
    assert (answer.status, row(verification).status) == (409, "failed")
    assert row(verification).failure["kind"] in ("contract", "person")


WRONG = {
    "no image of a type": ({"front": b"nothing"}, {}, 422),
    "an empty image": ({"front": b""}, {}, 422),
    "a document without an image": ({"front": IMAGES["front"]}, {"shown": list(CARD.values())}, 400),
    "an image without a document": (IMAGES, {"shown": [CARD["front"]]}, 400),
    "no documents": ({}, {}, 400),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_wrong_is_refused_before_anything_is_sent(vendors: Vendors, vendor: str, name: str) -> None:
    images, order, status = WRONG[name]
    verification = begun(vendor)
    assert send(verification, images, **order).status == status
    assert seen(vendors, vendor)["requests"] == []
    assert (row(verification).status, row(verification).claimed_by) == ("requested", None)


def test_idenfy_takes_all_images_at_once(vendors: Vendors) -> None:
    answer = send(begun("idenfy"), {part: IMAGES[part] for part in ("front", "face")})
    assert (answer.status, answer.detail) == (400, "iDenfy takes all images at once: ID_CARD BACK is missing.")
    assert seen(vendors, "idenfy")["credits"] == 0


def test_an_upload_that_breaks_off_leaves_the_verification_as_it_was(vendors: Vendors) -> None:
    def broken() -> Iterator[IncomingFile]:
        yield from files({"front": IMAGES["front"]})
        raise Broken("it ended early")

    verification = begun("idngo")
    order = Order(verification_id=verification, actor="onboarding", documents=list(CARD.values()))
    with pytest.raises(Broken):
        VendorCarrier("a test").carry(order, broken())
    assert (row(verification).status, row(verification).claimed_by) == ("requested", None)
    assert send(verification).status == 202


def test_an_unknown_verification_and_one_that_is_over_take_no_images(vendors: Vendors) -> None:
    assert [send(one).status for one in ("x", uuid.uuid4().hex, str(uuid.uuid4()))] == [404] * 3
    verification = begun("idngo")
    database.write(lambda connection: connection.execute(update(VerificationRequest).values(status="cancelled")))
    assert send(verification).status == 409


def test_a_verification_that_another_process_has_is_left_alone(vendors: Vendors) -> None:
    verification = begun("idngo")
    database.write(lambda connection: carrying.claim(connection, verification, "another"))
    answer = send(verification)
    assert (answer.status, bool(answer.retry_after)) == (503, True)
    assert row(verification).claimed_by == "another"


def test_two_commands_do_not_send_the_images_of_one_verification_at_a_time(vendors: Vendors) -> None:
    second: list[Answer] = []

    def meanwhile() -> Iterator[IncomingFile]:
        second.append(send(verification, carrier=VendorCarrier()))
        yield from files(IMAGES)

    verification = begun("idenfy")
    order = Order(verification_id=verification, actor="root", documents=list(CARD.values()))
    assert VendorCarrier().carry(order, meanwhile()).status == 202
    assert [answer.status for answer in second] == [503]
    assert seen(vendors, "idenfy")["credits"] == 1


def test_a_relay_that_follows_a_crashed_one_takes_its_claims_back(vendors: Vendors) -> None:
    verification = begun("idngo")
    database.write(lambda connection: carrying.claim(connection, verification, documents.holder("a socket")))
    assert send(verification).status == 503
    following = VendorCarrier("a socket")
    following.begin()
    assert send(verification, carrier=following).status == 202


def test_a_command_sends_images_from_files(vendors: Vendors, tmp_path: Path) -> None:
    verification, paths = begun("idngo"), {part: tmp_path / f"{part}.jpg" for part in CARD}
    for part, path in paths.items():
        path.write_bytes(IMAGES[part])
    order = Order(verification_id=verification, actor="root", documents=list(CARD.values()))
    assert VendorCarrier().carry(order, documents.from_disk(paths)).status == 202
    assert sorted(arrived(vendors, "idngo")) == sorted(DIGESTS)


def upload(kind: str, side: str | None, *, taken: bool = True) -> dict[str, Any]:
    return {"type": kind, "side": side, "taken": taken}


def test_a_rejected_side_makes_the_other_one_missing_too() -> None:
    asked = [upload("ID_CARD", "FRONT"), upload("ID_CARD", "BACK"), upload("PASSPORT", None)]
    sent = [upload("ID_CARD", "FRONT"), upload("PASSPORT", "FRONT"), upload("ID_CARD", "BACK", taken=False)]
    assert missing(asked, sent) == ["ID_CARD FRONT", "ID_CARD BACK"]
    assert missing(asked, [*sent, upload("ID_CARD", "BACK"), upload("ID_CARD", "FRONT")]) == []


BAD = ({"front": b"nothing"}, 422)
REFUSED: dict[str, list[tuple[dict[str, bytes], int]]] = {
    "idngo": [BAD, (IMAGES, 409)],
    "idenfy": [BAD, ({part: IMAGES[part] for part in ("front", "face")}, 400)],
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_images_that_are_refused_do_not_open_a_verification_again(vendors: Vendors, vendor: str) -> None:
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"]})
    verification = begun(vendor)
    if vendor == "idngo":
        assert send(verification).status == 202
    ended = clock.now()
    database.write(lambda connection: connection.execute(update(VerificationRequest).values(ended_at=ended)))
    assert [send(verification, images).status for images, _ in REFUSED[vendor]] == [status for _, status in REFUSED[vendor]]
    assert row(verification).ended_at == ended


def test_images_open_a_verification_again_unless_another_one_of_the_person_is_open(vendors: Vendors) -> None:
    first = begun("idenfy")
    database.write(lambda connection: connection.execute(update(VerificationRequest).values(ended_at=clock.now())))
    second = begun("idenfy", user=row(first).external_user_id)
    answer = send(first)
    assert (answer.status, second in (answer.detail or "")) == (409, True)
    assert (row(first).claimed_by, seen(vendors, "idenfy")["credits"]) == (None, 0)
    database.write(lambda connection: acting.cancel(connection, requests.find(connection, second), by=BY))
    assert send(first).status == 202
    assert (row(first).status, row(first).ended_at) == ("submitted", None)


def test_images_whose_session_ran_out_meanwhile_did_not_arrive(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    play(vendors, "idenfy", {"fault": "500", "times": 1, "path": "/process"})
    verification = begun("idenfy")
    with monkeypatch.context() as late:
        late.setattr(IdenfyStart, "status", lambda *_: "EXPIRED")
        answer = send(verification)
    assert (answer.status, row(verification).status) == (503, "waiting_for_documents")
    assert send(verification).status == 202
    assert sorted(arrived(vendors, "idenfy")) == sorted(DIGESTS)


def test_both_sides_of_a_residence_permit_are_sent_again(vendors: Vendors) -> None:
    play(vendors, "idngo", {"requires": ["IDENTITY", "SELFIE"], "failed": ["IDENTITY"]})
    permit = {side.value: Document(type=DocumentType.RESIDENCE_PERMIT, side=side, country="LT", part=side.value) for side in Side}
    verification = begun("idngo", wanted=permit | {"face": CARD["face"]})
    images = {part: JPEG + part.encode() * 1000 for part in permit}
    shown = list(permit.values())
    assert send(verification, images | {"face": IMAGES["face"]}, shown=[*shown, CARD["face"]]).status == 202
    play(vendors, f"idngo/{row(verification).reference}", {"status": "RED:RETRY"})
    better = {part: image + b"better" for part, image in images.items()}
    assert send(verification, {"FRONT": better["FRONT"]}, shown=shown[:1]).status == 422
    assert send(verification, better, shown=shown).status == 202
    assert row(verification).status == "submitted"
