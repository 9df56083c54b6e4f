"""Verifications begun at iDenfy, which is played over real HTTP.

The requests and the answers are those of https://documentation.idenfy.com/kyc/generate-token, /kyc/direct-processing and
/kyc/id-error-messages.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from handlers.start.idenfy import Found, IdenfyStart, image_name
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType, Options, Person, Side
from tests.support.downstream import Downstream, Message, Reply, answering, saying
from tests.support.vendors import starting
from tests.support.vendors.starting import HASTY, Cutting, again, image, raised, refused

MADE = {
    "message": "Token created successfully",
    "authToken": "pgYQX0z2T8mtcpNj9I20uWVCLKNuG0vgr12f0wAC",
    "scanRef": "ec6a7108-8c26-11e9-9758-309c231b1bac",
    "clientId": "user-7",
    "firstName": "JOHN",
    "lastName": "DOE",
    "redirectUrl": "https://ivs.idenfy.com/api/v2/redirect?authToken=pgYQX0z2T8mtcpNj9I20uWVCLKNuG0vgr12f0wAC",
}
PERSON = Person(
    first_name="John Tom",
    last_name="Doe",
    middle_name="Xaver",
    date_of_birth="1990-05-15",
    sex="M",
    nationality="LTU",
    country="LT",
    email="john@example.com",
    phone="+370 600 00000",
    address="Gatve 1, Vilnius",
    personal_number="39005150000",
    document_number="LB123456",
)


@pytest.fixture
def vendor(server: Downstream) -> IdenfyStart:
    return starting.idenfy(server.url(""))


def process(vendor: IdenfyStart, **different: Any) -> None:
    given = {"auth_token": "3FA5TFPA2ZE3", "country": "LTU", "document_type": DocumentType.ID_CARD}
    given |= {"images": {"FRONT": image(), "BACK": image(b"\xff\xd8\xff1"), "FACE": image(b"\xff\xd8\xff12")}}
    vendor.process(**(given | different))


# tokens -------------------------------------------------------------------------------------------------------


def test_a_token_gives_the_reference_and_the_address_of_the_pages(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(MADE))
    made = vendor.token(user="user-7")
    assert (made.auth_token, made.reference, made.redirect_url) == (MADE["authToken"], MADE["scanRef"], MADE["redirectUrl"])
    [asked] = server.came
    assert (asked.method, asked.path) == ("POST", "/api/v2/token")
    # printf 'key-geheim:Geheimnis: zwei' | base64
    assert asked.headers["authorization"] == "Basic a2V5LWdlaGVpbTpHZWhlaW1uaXM6IHp3ZWk="
    assert asked.json == {"clientId": "user-7", "tokenType": "IDENTIFICATION"}
    assert MADE["authToken"] not in repr(made)


def test_a_person_is_sent_in_the_words_of_idenfy(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(MADE))
    vendor.token(
        user="user-7",
        person=PERSON,
        types=[DocumentType.DRIVER_LICENSE, DocumentType.SELFIE, DocumentType.DRIVER_LICENSE],
        countries=["LTU", "LT", "DE"],
        options=Options(
            additional_steps={"ALL": {"ALL": {"UTILITY_BILL": {}}}},
            utility_bill_address="Gatve 1, Vilnius",
            dummy_status="APPROVED",
            expiry_seconds=7200,
            external_ref="0192f0c1",
        ),
    )
    assert server.came[0].json == {
        "clientId": "user-7",
        "tokenType": "IDENTIFICATION",
        "firstName": "John Tom",
        "lastName": "Doe",
        "dateOfBirth": "1990-05-15",
        "sex": "M",
        "personalNumber": "39005150000",
        "documentNumber": "LB123456",
        "address": "Gatve 1, Vilnius",
        "nationality": "LT",
        "documents": ["DRIVER_LICENSE"],
        "country": ["LT", "DE"],
        "additionalSteps": {"ALL": {"ALL": {"UTILITY_BILL": {}}}},
        "additionalData": {"UTILITY_BILL": {"address": "Gatve 1, Vilnius"}},
        "dummyStatus": "APPROVED",
        "expiryTime": 7200,
        "externalRef": "0192f0c1",
    }


@pytest.mark.parametrize("address", [None, "", "javascript:alert(1)", "//elsewhere.example.com"])
def test_an_address_that_no_browser_should_open_is_replaced(address: str | None, server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(MADE | {"redirectUrl": address}))
    assert vendor.token(user="user-7").redirect_url == f"https://ui.idenfy.com/?authToken={MADE['authToken']}"


@pytest.mark.parametrize("different", [{"clientId": "user-8"}, {"authToken": None}, {"scanRef": ""}, {"scanRef": None}, {"clientId": None}])
def test_a_token_that_is_incomplete_may_have_been_made(different: dict[str, Any], server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(MADE | different))
    assert again(lambda: vendor.token(user="user-7")).may_have_arrived


def test_a_token_without_its_reference_may_have_been_made(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": "Token created successfully", "authToken": "a"}))
    assert again(lambda: vendor.token(user="user-7")).may_have_arrived


ERRORS = [
    ("BAD_VALUE", 400, FailureKind.CALLER),
    ("MISSING_VALUE", 400, FailureKind.CALLER),
    ("VALIDATION_ERROR", 400, FailureKind.CALLER),
    ("JSON_ERROR", 400, FailureKind.CALLER),
    ("ENCODING_ERROR", 400, FailureKind.CALLER),
    ("UNAUTHORIZED", 400, FailureKind.CONTRACT),
    ("PERMISSIONS_ERROR", 400, FailureKind.CONTRACT),
    ("PARTNER_CONTRACT_ERROR", 400, FailureKind.CONTRACT),
    ("TOKEN_NOT_VALID", 400, FailureKind.PERSON),
    ("PARTNER_ERROR", 400, FailureKind.PERSON),
    ("METHOD_NOT_ALLOWED", 405, FailureKind.PERSON),
    ("INTERNAL_ERROR", 400, None),
    ("INTERNAL_ERROR", 500, None),
    ("TOO_MANY_REQUESTS", 400, None),
]


SORTED = [*ERRORS, *((identifier, 200, fault) for identifier, _, fault in ERRORS), ("SOMETHING_ELSE", 400, FailureKind.CALLER)]


@pytest.mark.parametrize(("identifier", "status", "fault"), SORTED)
@pytest.mark.parametrize("what", ["token", "process", "find"])
def test_an_error_is_sorted_by_its_identifier_even_in_a_success(
    identifier: str, status: int, fault: FailureKind | None, what: str, server: Downstream, vendor: IdenfyStart
) -> None:
    content = {"message": "Some words.", "identifier": identifier, "documentation": "", "severity": "NOT_SEVERE"}
    server.answer = saying(answering(content, status))
    calls = {"token": lambda: vendor.token(user="u"), "process": lambda: process(vendor), "find": lambda: vendor.find("u")}
    found = raised(calls[what])
    assert getattr(found, "fault", None) == fault
    assert getattr(found, "identifier", identifier) == identifier
    assert "Some words." in found.says


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Invalid authorization credentials"),
        (402, "Not enough funds, or the limit is exceeded"),
        (403, "Partner inactive"),
        (403, "Wrong environment"),
    ],
)
def test_money_and_contract_come_without_an_identifier(status: int, message: str, server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": message}, status))
    found = refused(lambda: vendor.token(user="user-7"))
    assert (found.fault, found.code, found.identifier) == (FailureKind.CONTRACT, status, None)
    assert message in found.says


def test_a_token_limit_is_about_money_and_not_about_haste(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": "Partner reached token limit.", "identifier": "PERMISSIONS_ERROR"}, 400))
    assert refused(lambda: vendor.token(user="user-7")).fault == FailureKind.CONTRACT


def test_an_active_session_of_the_user_is_told(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": "Client ID already exists", "identifier": ""}, 409))
    found = refused(lambda: vendor.token(user="user-7"))
    assert (found.fault, found.code) == (FailureKind.CALLER, 409)


def test_what_was_sent_of_a_person_is_masked(server: Downstream, vendor: IdenfyStart) -> None:
    said = "JOHN TOM, tom doe of gatve 1, VILNIUS born 1990-05-15, LB123456 and 39005150000: m is doe, key-geheim"
    server.answer = saying(answering({"message": said, "identifier": "BAD_VALUE"}, 400))
    says = refused(lambda: vendor.token(user="user-7", person=PERSON)).says
    lost = ["john", "doe", "gatve", "vilnius", "1990", "lb123456", "39005150000", "key-geheim"]
    assert [word for word in lost if word in says.lower()] == []
    assert "[masked]" in says


# finding ------------------------------------------------------------------------------------------------------


def _pages(message: Message) -> Reply:
    if "page=1&" in message.path:
        return answering({"count": 3, "next": "http://x/?page=2", "previous": None, "results": [{"scanRef": "a", "status": "ACTIVE"}]})
    others = [{"scanRef": "b", "status": "APPROVED", "suspected": False}, {"scanRef": "c", "status": "DENIED", "clientId": "user-8"}]
    return answering({"count": 3, "next": None, "previous": None, "results": others})


def test_all_pages_of_a_users_verifications_are_read(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = _pages
    assert vendor.find("a user&b") == [Found(reference="a", status="ACTIVE"), Found(reference="b", status="APPROVED")]
    assert [message.path for message in server.came] == [
        "/kyc/identifications/?clientId=a+user%26b&page=1&perPage=100",
        "/kyc/identifications/?clientId=a+user%26b&page=2&perPage=100",
    ]
    assert server.came[0].method == "GET"


def test_a_user_without_verifications_has_none(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"count": 0, "next": None, "previous": None, "results": []}))
    assert vendor.find("user-7") == []


def test_a_list_without_end_is_given_up(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"next": "more", "results": [{"scanRef": "a", "status": "ACTIVE"}]}))
    again(lambda: vendor.find("user-7"))
    assert len(server.came) == 20


# images -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token_field", ["token", "authToken"])
def test_images_are_sent_as_base64_with_the_token_under_its_name(token_field: str, server: Downstream) -> None:
    server.answer = saying(answering(b""))
    process(starting.idenfy(server.url(""), token_field=token_field))
    [asked] = server.came
    assert (asked.path, asked.headers["content-type"]) == ("/api/v2/process", "application/json")
    assert asked.headers["content-length"] == str(len(asked.body))
    assert "transfer-encoding" not in asked.headers
    assert asked.json == {
        token_field: "3FA5TFPA2ZE3",
        "country": "LT",
        "documentType": "ID_CARD",
        "images": {
            "FRONT": base64.b64encode(starting.JPEG).decode(),
            "BACK": base64.b64encode(b"\xff\xd8\xff1").decode(),
            "FACE": base64.b64encode(b"\xff\xd8\xff12").decode(),
        },
    }


@pytest.mark.parametrize("kind", [None, DocumentType.OTHER])
def test_a_document_can_be_left_to_be_recognised(kind: DocumentType | None, server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(b""))
    process(vendor, document_type=kind, skip_analysis=True)
    told = server.came[0].json
    assert (set(told), told["skipAnalysis"]) == ({"token", "country", "images", "skipAnalysis"}, True)


@pytest.mark.parametrize("identifier", [{}, {"identifier": ""}, {"identifier": "VALIDATION_ERROR"}, {"identifier": "ANOTHER"}])
def test_a_success_with_words_says_that_nothing_was_seen(identifier: dict[str, str], server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": "Document not found in the photo of 3FA5TFPA2ZE3"} | identifier))
    found = refused(lambda: process(vendor))
    assert (found.fault, found.code) == (FailureKind.CALLER, 200)
    assert "not seen in the photo" in found.says
    assert "Document not found in the photo of [masked]" in found.says
    assert found.identifier == identifier.get("identifier")


@pytest.mark.parametrize(("status", "body"), [(204, b""), (201, b""), (200, b"ok"), (200, b"{}"), (200, b'{"scanRef": "a"}')])
def test_nothing_but_200_without_a_body_is_a_success(status: int, body: bytes, server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering(body, status))
    assert again(lambda: process(vendor)).may_have_arrived


def test_a_token_that_is_used_up_is_named(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"message": "Token is not valid.", "identifier": "TOKEN_NOT_VALID"}, 400))
    assert refused(lambda: process(vendor)).identifier == "TOKEN_NOT_VALID"


def test_images_that_are_too_large_as_base64_are_not_sent(server: Downstream, vendor: IdenfyStart) -> None:
    large = image(bytes(8 * 1024 * 1024), cut_at=1024 * 1024)
    found = refused(lambda: process(vendor, images={"FRONT": large, "FACE": large}))
    assert found.fault == FailureKind.CALLER
    assert server.came == []


def test_the_largest_images_arrive_whole(server: Downstream) -> None:
    patient = starting.idenfy(server.url(""), upload_bytes_per_second=1024 * 1024)
    content = b"\xff\xd8\xff" + bytes(range(256)) * 4096 * 7
    server.answer = saying(answering(b""))
    process(patient, images={"FRONT": image(content, cut_at=65536), "FACE": image(content, cut_at=999_999)})
    told = json.loads(server.came[0].body)["images"]
    assert {name: base64.b64decode(text) == content for name, text in told.items()} == {"FRONT": True, "FACE": True}


def test_a_connection_that_is_cut_during_the_upload_may_have_the_images() -> None:
    cutting = Cutting(after_bytes=100_000)
    vendor = starting.idenfy(cutting.url, upload_bytes_per_second=1024 * 1024)
    assert again(lambda: process(vendor, images={"FRONT": image(bytes(4 * 1024 * 1024))})).may_have_arrived
    cutting.close()


def test_an_upload_that_stalls_ends_by_its_deadline(server: Downstream) -> None:
    server.answer = saying(Reply(body=b"", seconds=10))
    vendor = starting.idenfy(server.url(""), HASTY, upload_bytes_per_second=10_000)
    small = {"FRONT": image(bytes(3_000))}  # Base64: 4,000 bytes, for which there are 0.4 s beside the 0.5 of every call.
    assert "no answer" in again(lambda: process(vendor, images=small)).says


# status -------------------------------------------------------------------------------------------------------


def test_a_status_is_the_vendors_word(server: Downstream, vendor: IdenfyStart) -> None:
    server.answer = saying(answering({"scanRef": "scan-1", "status": "ACTIVE", "clientId": "user-7"}))
    assert vendor.status("scan-1") == "ACTIVE"
    assert (server.came[0].path, server.came[0].json) == ("/api/v2/status", {"scanRef": "scan-1"})
    again(lambda: vendor.status("scan-2"))


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (Document(type=DocumentType.PASSPORT), "FRONT"),
        (Document(type=DocumentType.ID_CARD, side=Side.FRONT), "FRONT"),
        (Document(type=DocumentType.ID_CARD, side=Side.BACK), "BACK"),
        (Document(type=DocumentType.OTHER), "FRONT"),
        (Document(type=DocumentType.SELFIE), "FACE"),
        (Document(type=DocumentType.UTILITY_BILL), "UTILITY_BILL"),
    ],
)
def test_each_image_has_idenfys_name(document: Document, name: str) -> None:
    assert image_name(document) == name
