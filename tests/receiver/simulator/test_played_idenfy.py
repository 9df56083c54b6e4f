"""The played iDenfy: tokens that cost credits, direct processing and its traps, the list of a client (documentation.idenfy.com)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.vendors.played import play, seen, visit
from tests.support.vendors.vendor_calls import Answer, call, png

IMAGES = {side: base64.b64encode(png(side)).decode() for side in ("FRONT", "BACK", "FACE")}


def token(vendors: Vendors, user: str = "user-1", **more: Any) -> Answer:
    return call(vendors, "idenfy", "POST", "/api/v2/token", {"clientId": user} | more)


def process(vendors: Vendors, auth_token: str, images: Any = IMAGES, **more: Any) -> Answer:
    body = {"token": auth_token, "country": "LT", "documentType": "ID_CARD", "images": images} | more
    return call(vendors, "idenfy", "POST", "/api/v2/process", {name: value for name, value in body.items() if value is not None})


def status(vendors: Vendors, reference: str) -> str:
    word: str = call(vendors, "idenfy", "POST", "/api/v2/status", {"scanRef": reference}).content["status"]
    return word


# tokens -------------------------------------------------------------------------------------------------------


def test_a_token_is_answered_with_all_that_was_sent(vendors: Vendors) -> None:
    answer = token(vendors, firstName="Anna", country=["LT", "EE"], additionalData={"UTILITY_BILL": {"address": "A street"}})
    content = answer.content
    assert (answer.status, content["clientId"], content["firstName"], content["country"]) == (200, "user-1", "ANNA", ["LT", "EE"])
    assert (content["tokenType"], content["expiryTime"], content["sessionLength"]) == ("IDENTIFICATION", 3600, 600)
    assert content["redirectUrl"].endswith(f"authToken={content['authToken']}")
    assert status(vendors, content["scanRef"]) == "ACTIVE"


def test_each_token_costs_a_credit(vendors: Vendors) -> None:
    references = [token(vendors).content["scanRef"] for _ in range(3)]
    found = seen(vendors, "idenfy")
    assert (found["credits"], found["bought"], set(found["users"].values())) == (3, references, {"user-1"})


@pytest.mark.parametrize(
    ("asked", "identifier"),
    [
        ({"clientId": None}, "MISSING_VALUE"),
        ({"clientId": "ü"}, "BAD_VALUE"),
        ({"clientId": "u" * 101}, "BAD_VALUE"),
        ({"country": "LTU"}, "BAD_VALUE"),
        ({"firstName": "A1"}, "BAD_VALUE"),
        ({"documents": ["UTILITY_BILL"]}, "BAD_VALUE"),
        ({"sessionLength": 10}, "BAD_VALUE"),
        ({"address": "a" * 256}, "BAD_VALUE"),
    ],
)
def test_what_no_token_can_have_is_refused_and_costs_nothing(asked: dict[str, Any], identifier: str, vendors: Vendors) -> None:
    answer = token(vendors, **asked)
    assert (answer.status, answer.content["identifier"]) == (400, identifier)
    assert seen(vendors, "idenfy")["credits"] == 0


def test_used_up_credits_are_no_rate_limit(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "token_limit", "times": 1})
    answer = token(vendors)
    assert (answer.status, answer.content["identifier"]) == (400, "PERMISSIONS_ERROR")
    assert answer.content["message"] == "Partner reached token limit."


def test_errors_about_money_and_credentials_have_no_identifier(vendors: Vendors) -> None:
    for fault, expected in [("402", 402), ("unauthorized", 401)]:
        play(vendors, "idenfy", {"fault": fault, "times": 1})
        answer = token(vendors)
        assert (answer.status, set(answer.content)) == (expected, {"message"})


def test_a_dummy_status_is_for_the_development_environment(vendors: Vendors) -> None:
    assert token(vendors, dummyStatus="DENIED").status == 200
    play(vendors, "idenfy", {"development": False})
    assert token(vendors, dummyStatus="DENIED").content["identifier"] == "PERMISSIONS_ERROR"


def test_a_client_with_an_active_session_may_be_refused_another(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"one_session": True})
    assert [token(vendors).status, token(vendors).status, token(vendors, "user-2").status] == [200, 409, 200]


# direct processing --------------------------------------------------------------------------------------------


def test_success_is_200_and_empty_and_the_result_comes_later(vendors: Vendors) -> None:
    made = token(vendors).content
    answer = process(vendors, made["authToken"])
    assert (answer.status, answer.body) == (200, b"")
    assert status(vendors, made["scanRef"]) == "REVIEWING"
    found = seen(vendors, "idenfy")
    assert [(image["side"], image["size"], image["content_type"]) for image in found["uploads"]] == [
        (side, len(png(side)), "image/png") for side in ("FRONT", "BACK", "FACE")
    ]
    assert found["submitted"] == [made["scanRef"]]


def test_a_document_that_is_not_seen_is_told_with_200(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"fault": "unseen", "path": "/process"})
    made = token(vendors).content
    answer = process(vendors, made["authToken"])
    assert (answer.status, set(answer.content)) == (200, {"message", "identifier", "documentation", "severity"})
    assert status(vendors, made["scanRef"]) == "ACTIVE"
    assert process(vendors, token(vendors).content["authToken"], skipAnalysis=True).body == b""


@pytest.mark.parametrize(
    ("more", "identifier", "message"),
    [
        ({"images": {"FRONT": IMAGES["FRONT"], "FACE": IMAGES["FACE"]}}, "MISSING_VALUE", "No image provided for step 'BACK'"),
        ({"images": {"FRONT": IMAGES["FRONT"], "BACK": IMAGES["BACK"]}}, "MISSING_VALUE", "No image provided for step 'FACE'"),
        ({"images": {}}, "MISSING_VALUE", "No image provided for step 'FRONT'"),
        ({"country": "LTU"}, "BAD_VALUE", ""),
        ({"documentType": "DIGITAL_ID"}, "BAD_VALUE", ""),
        ({"images": IMAGES | {"FRONT": "!"}}, "ENCODING_ERROR", ""),
        ({"images": IMAGES | {"FRONT": base64.b64encode(b"GIF89a").decode()}}, "BAD_VALUE", ""),
        ({"images": IMAGES | {"FRONT": base64.b64encode(b"%PDF-1.4 /Encrypt 1 0 R").decode()}}, "BAD_VALUE", ""),
    ],
)
def test_a_refused_call_burns_its_token_too(more: dict[str, Any], identifier: str, message: str, vendors: Vendors) -> None:
    made = token(vendors).content
    refused = process(vendors, made["authToken"], **more)
    assert (refused.status, refused.content["identifier"]) == (400, identifier)
    assert message in refused.content["message"]
    assert process(vendors, made["authToken"]).content["identifier"] == "TOKEN_NOT_VALID"


def test_a_type_that_is_left_out_is_detected_and_a_document_token_needs_no_face(vendors: Vendors) -> None:
    made = token(vendors, tokenType="DOCUMENT").content
    assert process(vendors, made["authToken"], {"FRONT": IMAGES["FRONT"]}, documentType=None).body == b""


@pytest.mark.parametrize("steps", [{"UTILITY_BILL": "COMPARE"}, {"ALL": {"ALL": {"UTILITY_BILL": {}}}}])
def test_an_additional_step_needs_its_image(steps: dict[str, Any], vendors: Vendors) -> None:
    made = token(vendors, additionalSteps=steps).content
    assert "UTILITY_BILL" in process(vendors, made["authToken"]).content["message"]


def test_the_name_of_the_field_with_the_token_is_played(vendors: Vendors) -> None:
    play(vendors, "idenfy", {"token_field": "authToken"})
    made = token(vendors).content
    assert process(vendors, made["authToken"]).content["identifier"] == "MISSING_VALUE"
    assert process(vendors, made["authToken"], token=None, authToken=made["authToken"]).body == b""


def test_more_than_20_mb_are_refused_and_burn_nothing(vendors: Vendors) -> None:
    made = token(vendors).content
    large = IMAGES | {"FRONT": base64.b64encode(png("large") + bytes(16 * 1024 * 1024)).decode()}
    assert process(vendors, made["authToken"], large).status == 413
    assert process(vendors, made["authToken"]).body == b""


# what follows -------------------------------------------------------------------------------------------------


def test_the_verifications_of_a_client_are_listed_by_pages(vendors: Vendors) -> None:
    references = [token(vendors).content["scanRef"] for _ in range(3)]
    token(vendors, "another")
    play(vendors, f"idenfy/{references[2]}", {"status": "SUSPECTED"})
    first = call(vendors, "idenfy", "GET", "/kyc/identifications/?clientId=user-1&page=1&perPage=2").content
    assert (first["count"], first["previous"]) == (3, None)
    second = call(vendors, "idenfy", "GET", first["next"].removeprefix(f"{vendors.url}/idenfy")).content
    assert second["next"] is None
    assert [*first["results"], *second["results"]] == [
        {"scanRef": references[0], "status": "ACTIVE", "suspected": False},
        {"scanRef": references[1], "status": "ACTIVE", "suspected": False},
        {"scanRef": references[2], "status": "SUSPECTED", "suspected": True},
    ]


def test_a_verification_is_deleted_once_its_token_is_used(vendors: Vendors) -> None:
    made = token(vendors).content
    named = {"scanRef": made["scanRef"]}
    refused = call(vendors, "idenfy", "POST", "/api/v2/delete", named)
    assert (refused.status, refused.content["identifier"]) == (400, "PARTNER_ERROR")
    process(vendors, made["authToken"])
    assert call(vendors, "idenfy", "POST", "/api/v2/delete", named).body == b""
    assert status(vendors, made["scanRef"]) == "DELETED"


def test_a_visit_uses_the_token(vendors: Vendors) -> None:
    made = token(vendors).content
    assert visit(vendors, f"idenfy/{made['scanRef']}") == made["scanRef"]
    assert status(vendors, made["scanRef"]) == "REVIEWING"
    assert process(vendors, made["authToken"]).content["identifier"] == "TOKEN_NOT_VALID"
