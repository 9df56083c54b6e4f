"""The played IDnGO: applicants, uploads, checks and links, with the traps that its platform documents (docs.sumsub.com)."""

from __future__ import annotations

import hashlib
import http.client
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from receiver.simulator.played.idngo.documents import IMAGE_BYTES_MAX
from receiver.simulator.vendor_server import Vendors
from tests.support.vendors.played import play, seen, visit
from tests.support.vendors.vendor_calls import BOUNDARY, Answer, authorized, call, multipart, png, upload

PASSPORT = {"idDocType": "PASSPORT", "country": "EST"}
SELFIE = {"idDocType": "SELFIE", "country": "EST"}
FRONT = {"idDocType": "ID_CARD", "idDocSubType": "FRONT_SIDE", "country": "EST"}
BACK = FRONT | {"idDocSubType": "BACK_SIDE"}


def create(vendors: Vendors, user: str = "user-1", level: str = "basic-kyc-level", **more: Any) -> Answer:
    return call(vendors, "idngo", "POST", f"/resources/applicants?levelName={quote(level)}", {"externalUserId": user} | more)


def created(vendors: Vendors) -> str:
    reference: str = create(vendors).content["id"]
    return reference


def of(vendors: Vendors, reference: str, what: str, method: str = "GET", body: Any = b"") -> Answer:
    return call(vendors, "idngo", method, f"/resources/applicants/{reference}/{what}", body)


def request_check(vendors: Vendors, reference: str) -> Answer:
    return of(vendors, reference, "status/pending", "POST")


def complete(vendors: Vendors) -> str:
    reference = created(vendors)
    for metadata in (PASSPORT, SELFIE):
        assert upload(vendors, reference, metadata, png(metadata["idDocType"])).status == 200
    return reference


# applicants ---------------------------------------------------------------------------------------------------


def test_an_applicant_is_created_with_the_level_and_found_by_your_id(vendors: Vendors) -> None:
    user = "user/1 ü"
    made = create(vendors, user, "basic & more", email="a@example.com", fixedInfo={"country": "EST", "dob": "1990-01-01"})
    assert (made.status, made.content["externalUserId"], made.content["review"]["levelName"]) == (200, user, "basic & more")
    assert made.content["review"]["reviewStatus"] == "init"
    for path in (f"-;externalUserId={quote(user, safe='')}/one", f"{made.content['id']}/one"):
        assert call(vendors, "idngo", "GET", f"/resources/applicants/{path}").content == made.content
    found = call(vendors, "idngo", "GET", f"/resources/applicants/-/byExternalUserId/{quote(user, safe='')}")
    assert found.content == {"exists": True, "applicant": made.content}
    assert call(vendors, "idngo", "GET", "/resources/applicants/-/byExternalUserId/another").content == {"exists": False}


def test_an_applicant_who_exists_is_named_in_a_409_and_is_not_bought_twice(vendors: Vendors) -> None:
    reference = created(vendors)
    again = create(vendors)
    assert (again.status, again.content["code"]) == (409, 409)
    assert again.content["description"] == f"Applicant with external user id 'user-1' already exists: {reference}"
    assert "retry-after" not in again.headers
    assert seen(vendors, "idngo")["credits"] == 1


@pytest.mark.parametrize(
    "more", [{"fixedInfo": {"country": "EE"}}, {"fixedInfo": {"email": "a@example.com"}}, {"externalUserId": "u" * 513}]
)
def test_what_an_applicant_cannot_have_is_refused(more: dict[str, Any], vendors: Vendors) -> None:
    assert create(vendors, **more).status == 400


def test_fixed_info_is_changed_without_a_wrapper(vendors: Vendors) -> None:
    reference = created(vendors)
    assert of(vendors, reference, "fixedInfo", "PATCH", {"firstName": "A", "country": "EST"}).status == 200
    assert of(vendors, reference, "fixedInfo", "PATCH", {"firstName": "B"}).content == {"firstName": "B", "country": "EST"}
    assert of(vendors, reference, "fixedInfo", "PATCH", {"fixedInfo": {"firstName": "B"}}).status == 400


# uploads ------------------------------------------------------------------------------------------------------


def test_of_an_image_the_digest_is_kept_and_its_id_is_told(vendors: Vendors) -> None:
    reference, image = created(vendors), png("passport")
    answer = upload(vendors, reference, PASSPORT, image)
    assert (answer.status, answer.content) == (200, PASSPORT | {"errors": [], "warnings": []})
    [kept] = seen(vendors, "idngo")["uploads"]
    assert answer.headers["x-image-id"] == str(kept["number"])
    assert (kept["type"], kept["size"], kept["sha256"]) == ("PASSPORT", len(image), hashlib.sha256(image).hexdigest())


def test_the_signature_is_of_the_whole_raw_body(vendors: Vendors) -> None:
    reference = created(vendors)
    form = multipart(PASSPORT, png("passport"))
    path = f"/idngo/resources/applicants/{reference}/info/idDoc"
    headers = authorized("idngo", "POST", path, form) | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    for sent, status in [(form[:-1] + b" ", 401), (form.replace(b"EST", b"LVA"), 401), (form, 200)]:
        connection = http.client.HTTPConnection(urlsplit(vendors.url).netloc)
        connection.request("POST", path, sent, headers)
        assert connection.getresponse().status == status
        connection.close()
    assert len(seen(vendors, "idngo")["uploads"]) == 1


def test_64_mb_are_taken_and_more_are_refused(vendors: Vendors) -> None:
    reference, image = created(vendors), png("large")
    assert upload(vendors, reference, PASSPORT, image + bytes(IMAGE_BYTES_MAX - len(image))).status == 200
    refused = upload(vendors, reference, PASSPORT, image + bytes(IMAGE_BYTES_MAX - len(image) + 1))
    assert (refused.status, refused.content["errorCode"], refused.content["errorName"]) == (400, 1002, "file-too-big")


@pytest.mark.parametrize(
    ("metadata", "content", "declared", "status", "code"),
    [
        (PASSPORT, b"", "image/png", 400, 1003),
        (PASSPORT, b"%PDF-1.4 a document", "image/jpeg", 400, 1004),
        (PASSPORT, b"GIF89a", "image/gif", 400, 1005),
        (PASSPORT, b"%PDF-1.4 /Encrypt 5 0 R", "application/pdf", 400, 1011),
        (PASSPORT, b"%PDF-1.4" + bytes(65_000) + b"/Encrypt 5 0 R" + bytes(9), "application/pdf", 400, 1011),
        ({"idDocType": "UTILITY_BILL", "country": "EST"}, png("bill"), "image/png", 409, 1010),
    ],
)
def test_an_image_that_is_not_taken_has_the_documented_code(
    metadata: dict[str, str], content: bytes, declared: str, status: int, code: int, vendors: Vendors
) -> None:
    answer = upload(vendors, created(vendors), metadata, content, content_type=declared)
    assert (answer.status, answer.content["errorCode"]) == (status, code)
    assert seen(vendors, "idngo")["uploads"] == []


@pytest.mark.parametrize("code", [1001, 1007])
def test_any_documented_code_can_be_played(code: int, vendors: Vendors) -> None:
    play(vendors, "idngo", {"fault": str(code), "path": "/info/idDoc", "times": 1})
    reference = created(vendors)
    assert upload(vendors, reference, PASSPORT, png("a")).content["errorCode"] == code
    assert upload(vendors, reference, PASSPORT, png("a")).status == 200


@pytest.mark.parametrize(("told", "code"), [({"status": "pending"}, 1006), ({"status": "RED:FINAL"}, 1009)])
def test_nothing_is_taken_for_an_applicant_who_is_checked_or_finally_rejected(told: dict[str, Any], code: int, vendors: Vendors) -> None:
    reference = created(vendors)
    play(vendors, f"idngo/{reference}", told)
    assert upload(vendors, reference, PASSPORT, png("a")).content["errorCode"] == code


def test_nothing_is_taken_for_a_deleted_applicant(vendors: Vendors) -> None:
    reference = created(vendors)
    play(vendors, f"idngo/{reference}", {"status": "init", "says": {"deleted": True}})
    assert upload(vendors, reference, PASSPORT, png("a")).content["errorCode"] == 1008


def test_a_byte_equal_image_is_known(vendors: Vendors) -> None:
    reference = created(vendors)
    assert upload(vendors, reference, PASSPORT, png("same")).status == 200
    again = upload(vendors, reference, PASSPORT, png("same"))
    assert (again.status, again.content["errorCode"], again.content["errorName"]) == (409, 1000, "duplicate-document")


def test_one_bad_side_makes_both_inactive(vendors: Vendors) -> None:
    reference = created(vendors)
    assert upload(vendors, reference, FRONT, png("front")).content["errors"] == []
    play(vendors, "idngo", {"fault": "bad_image", "times": 1})
    assert upload(vendors, reference, BACK, png("back")).content["errors"] == ["dataNotReadable"]
    assert [image["active"] for image in seen(vendors, "idngo")["uploads"]] == [False, False]
    # The inactive front is no duplicate: both are sent again.
    assert [upload(vendors, reference, side, png(f"{side} again")).status for side in (FRONT, BACK)] == [200, 200]


def test_only_four_attempts_are_answered_with_errors(vendors: Vendors) -> None:
    reference = created(vendors)
    play(vendors, "idngo", {"fault": "bad_image"})
    told = ["errors" in upload(vendors, reference, PASSPORT, png(str(number))).content for number in range(5)]
    assert told == [True, True, True, True, False]


@pytest.mark.parametrize("metadata", [{}, {"idDocType": "PASSPORT"}, PASSPORT | {"country": "EE"}, PASSPORT | {"idDocSubType": "FRONT"}])
def test_metadata_that_is_not_understood_is_refused(metadata: dict[str, str], vendors: Vendors) -> None:
    assert upload(vendors, created(vendors), metadata, png("a")).status == 400


# checks -------------------------------------------------------------------------------------------------------


def test_a_check_waits_for_every_step_and_both_sides(vendors: Vendors) -> None:
    reference = created(vendors)
    upload(vendors, reference, FRONT, png("front"))
    refused = request_check(vendors, reference)
    assert (refused.status, "retry-after" in refused.headers) == (409, False)
    assert "Make sure to complete [IDENTITY, SELFIE] verification steps beforehand." in refused.content["description"]
    upload(vendors, reference, BACK, png("back"))
    assert "[SELFIE]" in request_check(vendors, reference).content["description"]
    upload(vendors, reference, SELFIE, png("selfie"))
    assert request_check(vendors, reference).content == {"ok": 1}


def test_a_check_is_requested_once(vendors: Vendors) -> None:
    reference = complete(vendors)
    assert request_check(vendors, reference).content == {"ok": 1}
    assert of(vendors, reference, "status").content["reviewStatus"] == "pending"
    assert request_check(vendors, reference).status == 409
    assert seen(vendors, "idngo")["submitted"] == [reference]


def test_a_busy_vendor_says_when_to_retry(vendors: Vendors) -> None:
    reference = complete(vendors)
    play(vendors, "idngo", {"fault": "busy", "times": 1, "path": "/status/pending"})
    busy = request_check(vendors, reference)
    assert (busy.status, busy.headers["retry-after"]) == (409, "10")
    assert request_check(vendors, reference).content == {"ok": 1}


def test_after_a_retry_exactly_what_failed_is_sent_again(vendors: Vendors) -> None:
    play(vendors, "idngo", {"failed": ["SELFIE"]})
    reference = complete(vendors)
    request_check(vendors, reference)
    play(vendors, f"idngo/{reference}", {"status": "RED:RETRY"})
    steps = of(vendors, reference, "requiredIdDocsStatus").content
    assert steps["IDENTITY"]["reviewResult"] == {"reviewAnswer": "GREEN"}
    [image] = steps["SELFIE"]["imageReviewResults"].values()
    assert (image["reviewAnswer"], image["reviewRejectType"]) == ("RED", "RETRY")
    assert image["moderationComment"] == steps["SELFIE"]["reviewResult"]["moderationComment"]
    assert "[SELFIE]" in request_check(vendors, reference).content["description"]
    assert upload(vendors, reference, SELFIE, png("SELFIE")).content["errorCode"] == 1000
    assert upload(vendors, reference, SELFIE, png("another selfie")).status == 200
    assert request_check(vendors, reference).content == {"ok": 1}


def test_a_step_without_a_document_is_null_and_a_final_rejection_says_little(vendors: Vendors) -> None:
    reference = created(vendors)
    upload(vendors, reference, PASSPORT, png("a"))
    steps = of(vendors, reference, "requiredIdDocsStatus").content
    assert (steps["SELFIE"], steps["IDENTITY"]["idDocType"]) == (None, "PASSPORT")
    play(vendors, f"idngo/{reference}", {"status": "RED:FINAL"})
    assert of(vendors, reference, "requiredIdDocsStatus").content == {"IDENTITY": None, "SELFIE": None}
    assert request_check(vendors, reference).status == 409


# hosted -------------------------------------------------------------------------------------------------------


def test_a_person_goes_through_the_pages_of_a_link(vendors: Vendors) -> None:
    path = "/resources/sdkIntegrations/levels/basic%20level/websdkLink?ttlInSecs=600&externalUserId=user-9&lang=en"
    assert call(vendors, "idngo", "POST", path).content["url"].startswith(f"{vendors.url}/idngo/websdk/p/")
    assert call(vendors, "idngo", "GET", "/resources/applicants/-/byExternalUserId/user-9").content == {"exists": False}
    reference = visit(vendors, "idngo/user-9")
    review = of(vendors, reference, "status").content
    assert (review["levelName"], review["reviewStatus"]) == ("basic level", "pending")


def test_an_access_token_is_for_one_user(vendors: Vendors) -> None:
    reference = created(vendors)
    asked = {"userId": "user-1", "levelName": "basic-kyc-level", "ttlInSecs": 600}
    answer = call(vendors, "idngo", "POST", "/resources/accessTokens/sdk", asked)
    assert (set(answer.content), answer.content["userId"]) == ({"token", "userId"}, "user-1")
    assert call(vendors, "idngo", "POST", "/resources/accessTokens?userId=user-1&levelName=a&ttlInSecs=600").status == 200
    assert call(vendors, "idngo", "POST", "/resources/accessTokens/sdk", {"userId": "user-1"}).status == 400
    assert visit(vendors, f"idngo/{reference}") == reference
