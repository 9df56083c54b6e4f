"""Verifications begun at IDnGO, which is played over real HTTP.

The requests and the answers are those of https://docs.sumsub.com/reference (create-applicants, add-id-documents, request-applicant-check,
error-codes-description), on whose platform IDnGO runs.
"""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from handlers.clients import idngo
from handlers.clients.request_body import Pieces
from handlers.start.idngo import IdngoStart
from handlers.start.images import Image
from handlers.start.outcomes import Again
from handlers.start.words.idngo_answers import SendAgain
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType, Person, Side
from tests.support.downstream import Downstream, Message, Reply, answering, saying
from tests.support.vendors import starting
from tests.support.vendors.starting import HASTY, Cutting, again, image, raised, refused

WHO = "68a7d46b8a6f58bf219053c6"
APPLICANT: dict[str, Any] = {
    "id": WHO,
    "createdAt": "2026-08-22 02:22:35",
    "externalUserId": "user-7",
    "inspectionId": "68a7d46b8a6f58bf219053c7",
    "review": {"reviewId": "ujsDa", "levelName": "basic kyc/level", "reviewStatus": "init"},
    "type": "individual",
}
EXISTS = {"code": 409, "description": f"Applicant with external user id 'user-7' already exists: {WHO}", "correlationId": "c1"}
FRONT = Document(type=DocumentType.DRIVER_LICENSE, side=Side.FRONT, country="KZ")
PERSON = Person(
    first_name="Анна",
    last_name="Петрова",
    middle_name="И.",
    date_of_birth="1990-02-28",
    sex="F",
    nationality="KZ",
    country="DE",
    email="anna@example.com",
    phone="+7 701 555 01 01",
    address="Abay 1, Almaty",
    personal_number="900228400123",
    document_number="N1234567",
)


@pytest.fixture
def vendor(server: Downstream) -> IdngoStart:
    return starting.idngo(server.url(""))


def create(vendor: IdngoStart, person: Person | None = None) -> Any:
    return vendor.create(user="user-7", level="basic kyc/level", person=person)


def is_signed(message: Message) -> bool:
    """Whether a request carries the signature over what arrived, computed here from the documentation."""
    signed = message.headers["x-app-access-ts"].encode() + message.method.encode() + message.path.encode() + message.body
    return message.headers["x-app-access-sig"] == hmac.new(b"ein Geheimnis", signed, "sha256").hexdigest()


# creating -----------------------------------------------------------------------------------------------------


def test_an_applicant_is_created_on_its_level(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(APPLICANT, 201))
    made = create(vendor)
    assert (made.reference, made.adopted, made.status) == (WHO, False, "init")
    [asked] = server.came
    assert (asked.method, asked.path) == ("POST", "/resources/applicants?levelName=basic%20kyc%2Flevel")
    assert asked.json == {"externalUserId": "user-7", "type": "individual"}
    assert asked.headers["x-app-token"] == "prd:token-geheim"
    assert is_signed(asked)


def test_a_person_is_sent_in_the_words_of_idngo(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(APPLICANT))
    create(vendor, PERSON)
    fixed = {
        "firstName": "Анна",
        "lastName": "Петрова",
        "middleName": "И.",
        "dob": "1990-02-28",
        "gender": "F",
        "tin": "900228400123",
        "nationality": "KAZ",
        "country": "DEU",
        "addresses": [{"street": "Abay 1, Almaty", "country": "DEU"}],
    }
    told = {"externalUserId": "user-7", "type": "individual", "email": "anna@example.com", "phone": "+7 701 555 01 01"}
    assert server.came[0].json == told | {"fixedInfo": fixed}
    server.answer = saying(answering({"firstName": "Анна"}))
    vendor.fixed_info(WHO, PERSON)
    changed = server.came[1]
    assert (changed.method, changed.path) == ("PATCH", f"/resources/applicants/{WHO}/fixedInfo")
    assert changed.json == fixed
    assert is_signed(changed)


def test_a_person_without_such_data_changes_nothing(server: Downstream, vendor: IdngoStart) -> None:
    vendor.fixed_info(WHO, Person(email="anna@example.com"))
    assert server.came == []


def test_an_applicant_that_exists_is_adopted(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(EXISTS, 409), answering(APPLICANT))
    made = create(vendor)
    assert (made.reference, made.adopted, made.status) == (WHO, True, "init")
    assert [message.method for message in server.came] == ["POST", "GET"]
    assert server.came[1].path == "/resources/applicants/-;externalUserId=user-7/one"


@pytest.mark.parametrize(
    ("different", "says"),
    [
        ({"review": {"levelName": "another"}}, "another level"),
        ({"review": {}}, "another level"),
        ({"review": None}, "another level"),
        ({"deleted": True}, "deactivated"),
        (
            {
                "review": {
                    "levelName": "basic kyc/level",
                    "reviewStatus": "completed",
                    "reviewResult": {"reviewAnswer": "RED", "reviewRejectType": "FINAL"},
                }
            },
            "finally rejected",
        ),
    ],
)
def test_an_applicant_that_cannot_be_begun_with_is_for_a_person(
    different: dict[str, Any], says: str, server: Downstream, vendor: IdngoStart
) -> None:
    server.answer = saying(answering(EXISTS, 409), answering(APPLICANT | different))
    found = refused(lambda: create(vendor))
    assert found.fault == FailureKind.PERSON
    assert says in found.says


def test_an_applicant_that_may_send_again_is_adopted(server: Downstream, vendor: IdngoStart) -> None:
    review = APPLICANT["review"] | {"reviewStatus": "completed", "reviewResult": {"reviewAnswer": "RED", "reviewRejectType": "RETRY"}}
    server.answer = saying(answering(EXISTS, 409), answering(APPLICANT | {"review": review}))
    assert create(vendor).status == "completed"


def test_another_users_applicant_is_not_adopted(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(EXISTS, 409), answering(APPLICANT | {"externalUserId": "user-8"}))
    assert again(lambda: create(vendor)).may_have_arrived


def test_a_conflict_about_nothing_that_exists_is_told(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(EXISTS, 409), answering({"code": 404, "description": "Not found"}, 404))
    found = refused(lambda: create(vendor))
    assert (found.fault, found.code) == (FailureKind.CALLER, 409)
    assert WHO in found.says


def test_a_level_that_does_not_exist_is_the_callers_fault(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"code": 404, "description": "Level 'basic' not found", "correlationId": "c"}, 404))
    assert refused(lambda: create(vendor)).fault == FailureKind.CALLER


def test_a_user_without_an_applicant_has_none(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"code": 404, "description": "Not found"}, 404))
    assert vendor.find("a/user;x") is None
    assert server.came[0].path == "/resources/applicants/-;externalUserId=a%2Fuser%3Bx/one"


def test_a_page_of_a_proxy_does_not_say_that_there_is_no_applicant(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(b"<html>Not Found</html>", 404))
    assert refused(lambda: vendor.find("user-7")).fault == FailureKind.PERSON


def test_what_was_sent_of_a_person_is_masked(server: Downstream, vendor: IdngoStart) -> None:
    said = "анна ПЕТРОВА (anna@example.com, +7 701 555 01 01) born 1990-02-28 in Abay, 900228400123, prd:token-geheim"
    server.answer = saying(answering({"code": 400, "description": said}, 400))
    says = refused(lambda: create(vendor, PERSON)).says
    lost = ["анна", "петрова", "anna@", "701", "1990", "abay", "900228400123", "geheim"]
    assert [word for word in lost if word in says.lower()] == []


# uploading ----------------------------------------------------------------------------------------------------


def parts_of(message: Message) -> dict[str, Any]:
    """The parts of a multipart body, read by the standard library."""
    read = message_from_bytes(b"Content-Type: " + message.headers["content-type"].encode() + b"\r\n\r\n" + message.body, policy=policy.HTTP)
    return {part.get_param("name", header="content-disposition"): part for part in read.iter_parts()}  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"\xff\xd8\xff", starting.JPEG, b"\xff\xd8\xff\r\n--standing\r\n\r\n--" + bytes(range(256)) * 999])
def test_an_image_is_sent_as_multipart_and_every_byte_is_signed(content: bytes, server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"idDocType": "DRIVERS", "country": "KAZ"}, X_Image_Id="1234567"))
    found = vendor.upload(WHO, FRONT, image(content))
    assert (found.image_id, found.errors, found.warnings, found.known) == ("1234567", (), (), False)
    [asked] = server.came
    assert (asked.method, asked.path) == ("POST", f"/resources/applicants/{WHO}/info/idDoc")
    assert asked.headers["x-return-doc-warnings"] == "true"
    assert asked.headers["content-length"] == str(len(asked.body))
    assert "transfer-encoding" not in asked.headers
    assert is_signed(asked)
    parts = parts_of(asked)
    assert list(parts) == ["metadata", "content"]
    assert json.loads(parts["metadata"].get_payload()) == {"idDocType": "DRIVERS", "country": "KAZ", "idDocSubType": "FRONT_SIDE"}
    assert parts["content"].get_payload(decode=True) == content
    assert (parts["content"].get_content_type(), parts["content"].get_filename()) == ("image/jpeg", "document.jpg")


def test_a_multipart_body_is_signed_as_openssl_does() -> None:
    # printf '1599219016POST/resources/applicants/68a7/info/idDoc--b\r\n\r\n\377\330\r\n--b--\r\n' |
    # openssl dgst -sha256 -hmac 'ein Geheimnis'
    path = "/resources/applicants/68a7/info/idDoc"
    body = Pieces((b"--b\r\n\r\n", b"\xff", memoryview(b"\xd8"), bytearray(b"\r\n--b--\r\n")))
    signed = idngo.signature(b"ein Geheimnis", timestamp="1599219016", method="POST", path=path, body=body)
    assert signed == "1334561191903adc2a238ccd6b8dc4b62cad6389d95bbc6abcd197b3c415da18"


def test_a_declared_type_adds_no_line_to_the_body(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({}))
    vendor.upload(WHO, FRONT, Image(pieces=(b"abc",), content_type='image/png\r\nX: y"'))
    assert b"X: y" not in server.came[0].body
    assert parts_of(server.came[0])["content"].get_content_type() == "application/octet-stream"


def test_an_image_that_a_proxy_refuses_as_too_large_is_the_callers_fault(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering(b"<html>Request Entity Too Large</html>", 413))
    assert refused(lambda: vendor.upload(WHO, FRONT, image())).fault == FailureKind.CALLER


def test_two_bodies_have_two_boundaries(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({}))
    for _ in range(2):
        vendor.upload(WHO, FRONT, image())
    assert len({message.headers["content-type"] for message in server.came}) == 2


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (Document(type=DocumentType.PASSPORT, side=Side.FRONT, country="kz"), {"idDocType": "PASSPORT", "country": "KAZ"}),
        (Document(type=DocumentType.SELFIE, country="KAZ"), {"idDocType": "SELFIE", "country": "KAZ"}),
        (
            Document(type=DocumentType.ID_CARD, side=Side.BACK, country="DEU"),
            {"idDocType": "ID_CARD", "country": "DEU", "idDocSubType": "BACK_SIDE"},
        ),
    ],
)
def test_each_document_is_described_in_idngos_words(
    document: Document, told: dict[str, str], server: Downstream, vendor: IdngoStart
) -> None:
    server.answer = saying(answering({}))
    vendor.upload(WHO, document, image())
    assert json.loads(parts_of(server.came[0])["metadata"].get_payload()) == told


def test_errors_and_warnings_about_an_image_are_told(server: Downstream, vendor: IdngoStart) -> None:
    told = {
        "idDocType": "DRIVERS",
        "country": "KAZ",
        "errors": ["badPhoto", {"code": "forbiddenDocument", "message": "Not\x1b[31m accepted"}, {}],
        "warnings": ["w"] * 100,
    }
    server.answer = saying(answering(told, X_Image_Id="1"))
    found = vendor.upload(WHO, FRONT, image())
    assert found.errors == ("badPhoto", "forbiddenDocument: Not [31m accepted", "not described")
    assert found.warnings == ("w",) * 20


def test_a_byte_equal_image_had_arrived(server: Downstream, vendor: IdngoStart) -> None:
    told = {"code": 409, "description": "Duplicate", "errorCode": 1000, "errorName": "duplicate-document"}
    server.answer = saying(answering(told, 409))
    found = vendor.upload(WHO, FRONT, image())
    assert (found.known, found.image_id, found.errors) == (True, None, ())


ERRORS = [
    (1001, 400, FailureKind.CALLER),
    (1002, 400, FailureKind.CALLER),
    (1003, 400, FailureKind.CALLER),
    (1004, 400, FailureKind.CALLER),
    (1005, 400, FailureKind.CALLER),
    (1006, 409, FailureKind.CALLER),
    (1007, 409, FailureKind.CALLER),
    (1008, 409, FailureKind.PERSON),
    (1009, 409, FailureKind.PERSON),
    (1010, 409, FailureKind.CALLER),
    (1011, 400, FailureKind.CALLER),
    (4003, 401, FailureKind.CONTRACT),
]


@pytest.mark.parametrize(("code", "status", "fault"), ERRORS)
@pytest.mark.parametrize("what", ["upload", "create", "check"])
def test_an_error_is_sorted_by_its_number(
    code: int, status: int, fault: FailureKind, what: str, server: Downstream, vendor: IdngoStart
) -> None:
    error = answering({"code": status, "description": "Some words.", "errorCode": code, "errorName": "its-name"}, status)
    server.answer = saying(*([answering({"reviewStatus": "init"})] if what == "check" else []), error)
    calls = {
        "upload": lambda: vendor.upload(WHO, FRONT, image()),
        "create": lambda: create(vendor),
        "check": lambda: vendor.request_check(WHO),
    }
    found = refused(calls[what])
    assert (found.fault, found.code) == (fault, code)
    assert "Some words." in found.says


def test_a_connection_that_is_cut_during_the_upload_may_have_the_image() -> None:
    cutting = Cutting(after_bytes=100_000)
    vendor = starting.idngo(cutting.url, upload_bytes_per_second=1024 * 1024)
    assert again(lambda: vendor.upload(WHO, FRONT, image(bytes(8 * 1024 * 1024)))).may_have_arrived
    cutting.close()


def test_an_answer_before_the_end_of_an_upload_is_read() -> None:
    told = json.dumps({"code": 400, "description": "Too big", "errorCode": 1002, "errorName": "file-too-big"}).encode()
    says = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(told) + told
    cutting = Cutting(after_bytes=100_000, says=says)
    vendor = starting.idngo(cutting.url, upload_bytes_per_second=1024 * 1024)
    found = raised(lambda: vendor.upload(WHO, FRONT, image(bytes(8 * 1024 * 1024))))
    # What the server has not read can make its system take the answer back.
    assert isinstance(found, Again) or found.code == 1002
    cutting.close()


def test_a_slow_upload_has_time_in_proportion_to_its_size(server: Downstream) -> None:
    server.answer = saying(Reply(body=b"{}", seconds=3))
    content = bytes(100_000)
    assert starting.idngo(server.url(""), HASTY, upload_bytes_per_second=2_000).upload(WHO, FRONT, image(content)).errors == ()
    again(lambda: starting.idngo(server.url(""), HASTY, upload_bytes_per_second=1_000_000).upload(WHO, FRONT, image(content)))


# asking for the check -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [{"ok": 1}, {}, b"", b"fine"])
def test_a_check_is_asked_for(reply: object, server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"reviewStatus": "init"}), answering(reply))
    vendor.request_check(WHO)
    asked = server.came[1]
    assert (asked.method, asked.path, asked.body) == ("POST", f"/resources/applicants/{WHO}/status/pending", b"")
    assert is_signed(asked)


@pytest.mark.parametrize("status", ["pending", "queued", "prechecked"])
def test_a_check_that_is_asked_for_is_not_asked_for_twice(status: str, server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"createDate": "2026-08-22 02:22:35", "reviewStatus": status}))
    vendor.request_check(WHO)
    [asked] = server.came
    assert (asked.method, asked.path) == ("GET", f"/resources/applicants/{WHO}/status")


def refused_check(server: Downstream, vendor: IdngoStart, description: str, **headers: str) -> Any:
    refusal = answering({"description": description, "code": 409, "correlationId": "c"}, 409, **headers)
    server.answer = saying(answering({"reviewStatus": "init"}), refusal)
    return raised(lambda: vendor.request_check(WHO))


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        (" Make sure to complete [QUESTIONNAIRE] verification steps beforehand.", ("QUESTIONNAIRE",)),
        (" Make sure to complete [IDENTITY, SELFIE] verification steps beforehand.", ("IDENTITY", "SELFIE")),
        ("", ("documents or data",)),
    ],
)
def test_a_check_that_waits_for_the_caller_names_the_steps(
    steps: str, missing: tuple[str, ...], server: Downstream, vendor: IdngoStart
) -> None:
    found = refused_check(server, vendor, f"Not all required documents or data are submitted.{steps}")
    assert (found.fault, found.missing, found.code) == (FailureKind.CALLER, missing, 409)


def test_a_busy_vendor_is_asked_again_when_it_says(server: Downstream, vendor: IdngoStart) -> None:
    found = refused_check(server, vendor, "Not all required processing is done, please retry", Retry_After="10")
    assert isinstance(found, Again)
    assert found.again_at is not None
    assert found.again_at - datetime.now(UTC) <= timedelta(seconds=10)


def test_a_busy_vendor_that_names_no_time_is_asked_again_soon(server: Downstream, vendor: IdngoStart) -> None:
    found = refused_check(server, vendor, "The applicant is being processed. Please try again later.")
    assert isinstance(found, Again)
    assert found.again_at is not None
    assert found.again_at - datetime.now(UTC) <= timedelta(seconds=15)


def test_another_conflict_is_for_a_person(server: Downstream, vendor: IdngoStart) -> None:
    assert refused_check(server, vendor, "The applicant is rejected.").fault == FailureKind.PERSON


def test_a_check_that_is_not_ok_is_asked_for_again(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"reviewStatus": "init"}), answering({"ok": 0}))
    again(lambda: vendor.request_check(WHO))


def test_a_check_after_a_lost_answer_is_known(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"reviewStatus": "init"}), Reply(raw=b""), answering({"reviewStatus": "pending"}))
    assert again(lambda: vendor.request_check(WHO)).may_have_arrived
    vendor.request_check(WHO)
    assert [message.method for message in server.came] == ["GET", "POST", "GET"]


# sending again ------------------------------------------------------------------------------------------------


def red(comment: str | None = None, **more: Any) -> dict[str, Any]:
    return {"reviewAnswer": "RED", "moderationComment": comment, "clientComment": "internal"} | more


def test_what_failed_is_to_be_sent_again_with_the_comment_that_may_be_shown(server: Downstream, vendor: IdngoStart) -> None:
    steps = {
        "IDENTITY": {
            "idDocType": "DRIVERS",
            "country": "KAZ",
            "reviewResult": red("Send the front."),
            "imageReviewResults": {"1": {"reviewAnswer": "GREEN"}, "2": red("Blurred.", reviewRejectType="RETRY")},
        },
        "SELFIE": {"idDocType": "SELFIE", "country": "KAZ", "reviewResult": {"reviewAnswer": "GREEN"}},
        "PROOF_OF_RESIDENCE": {
            "idDocType": "UTILITY_BILL",
            "country": "KAZ",
            "reviewResult": None,
            "imageReviewResults": {"3": red("Too old.")},
        },
        "IDENTITY2": {"idDocType": "PASSPORT", "country": "KAZ", "reviewResult": red(reviewRejectType="FINAL")},
        "QUESTIONNAIRE": {"reviewResult": red()},
        "APPLICANT_DATA": None,
    }
    server.answer = saying(answering(steps))
    assert vendor.to_send_again(WHO) == [
        SendAgain(
            step="IDENTITY",
            type=DocumentType.DRIVER_LICENSE,
            country="KAZ",
            sides=(Side.FRONT, Side.BACK),
            comment="Send the front.",
        ),
        SendAgain(step="PROOF_OF_RESIDENCE", type=DocumentType.UTILITY_BILL, country="KAZ", sides=(None,), comment="Too old."),
        SendAgain(step="QUESTIONNAIRE", type=None, country=None, sides=(None,), comment=None),
    ]


# the vendor's own pages ---------------------------------------------------------------------------------------


def test_a_link_to_the_vendors_pages_is_given(server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"url": "https://in.idngo.kz/websdk/p/abc"}))
    assert vendor.link(user="a user+b", level="basic kyc/level") == "https://in.idngo.kz/websdk/p/abc"
    [asked] = server.came
    assert asked.path == ("/resources/sdkIntegrations/levels/basic%20kyc%2Flevel/websdkLink?ttlInSecs=86400&externalUserId=a%20user%2Bb")
    assert (asked.method, asked.body) == ("POST", b"")
    assert is_signed(asked)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//x", "ftp://x", ""])
def test_a_link_that_no_browser_should_open_is_not_given(url: str, server: Downstream, vendor: IdngoStart) -> None:
    server.answer = saying(answering({"url": url}))
    again(lambda: vendor.link(user="user-7", level="basic"))


@pytest.mark.parametrize("reference", ["", ".", "..", "\ud800"])
def test_what_no_path_can_hold_is_not_asked_for(reference: str, server: Downstream, vendor: IdngoStart) -> None:
    empty = Image(pieces=(), content_type="image/png")
    for call in (lambda: vendor.upload(reference, FRONT, empty), lambda: vendor.request_check(reference), lambda: vendor.find(reference)):
        assert refused(call).fault == FailureKind.CALLER
    assert server.came == []
