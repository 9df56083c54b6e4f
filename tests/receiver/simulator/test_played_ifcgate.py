"""The played IFCGATE: what https://www.ifcgate.com/documentation.html says of verifications, extraction, routing and errors."""

from __future__ import annotations

from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.vendors.played import play, seen
from tests.support.vendors.vendor_calls import Answer, call

BODY = {
    "workflow": "onboarding-default",
    "applicant_id": "app_10294",
    "documents": [{"type": "passport", "file_url": "https://files.example.com/passport.png"}],
}


def verify(vendors: Vendors, body: Any = BODY, *, key: str = "") -> Answer:
    return call(vendors, "ifcgate", "POST", "/v1/verifications", body, **({"Idempotency_Key": key} if key else {}))


def test_a_verification_is_a_case_in_review(vendors: Vendors) -> None:
    answer = verify(vendors)
    assert set(answer.content) == {"case_id", "status", "workflow", "queue", "submitted_at"}
    assert (answer.status, answer.content["status"], answer.content["workflow"]) == (200, "in_review", "onboarding-default")
    case = answer.content["case_id"]
    assert call(vendors, "ifcgate", "GET", f"/v1/cases/{case}").content["status"] == "in_review"
    assert seen(vendors, "ifcgate")["users"] == {case: "app_10294"}


def test_a_key_that_is_used_again_gets_the_original_success_and_buys_nothing(vendors: Vendors) -> None:
    first = verify(vendors, key="k-1")
    assert verify(vendors, key="k-1").content == first.content
    assert verify(vendors, key="k-2").content != first.content
    assert verify(vendors).content != verify(vendors).content
    assert seen(vendors, "ifcgate")["credits"] == 4


def test_a_key_with_another_body_is_refused_and_an_error_is_not_kept_for_a_key(vendors: Vendors) -> None:
    assert verify(vendors, BODY | {"documents": [{"file_url": "https://a.example"}]}, key="k").status == 422
    assert verify(vendors, key="k").status == 200
    refused = verify(vendors, BODY | {"applicant_id": "another"}, key="k")
    assert (refused.status, refused.content["error"]["code"]) == (422, "idempotency_key_reused")
    assert seen(vendors, "ifcgate")["credits"] == 1


def test_a_missing_document_type_is_told_in_the_published_envelope(vendors: Vendors) -> None:
    play(vendors, "ifcgate", {"requires": ["passport", "selfie"]})
    answer = verify(vendors)
    assert answer.status == 422
    assert answer.content == {
        "error": {
            "code": "workflow_validation_failed",
            "message": "A required document type is missing for this workflow.",
            "request_id": "req_played",
            "status": 422,
        }
    }
    selfie = {"type": "selfie", "file_url": "https://files.example.com/selfie.png"}
    assert verify(vendors, BODY | {"documents": [*BODY["documents"], selfie]}).status == 200


@pytest.mark.parametrize("body", [b"nothing", {}, {"workflow": "a"}, {"workflow": "a", "applicant_id": 1}])
def test_what_is_no_verification_is_refused(body: Any, vendors: Vendors) -> None:
    assert verify(vendors, body).status == 400
    assert seen(vendors, "ifcgate")["credits"] == 0


def test_a_document_is_extracted_once_for_a_key(vendors: Vendors) -> None:
    asked = {"template": "invoice-standard", "file_url": "https://files.example.com/invoice.pdf"}
    first = call(vendors, "ifcgate", "POST", "/v1/documents/extract", asked, Idempotency_Key="k")
    assert (first.content["status"], first.content["fields"]["invoice_number"]) == ("processed", "INV-2041")
    assert call(vendors, "ifcgate", "POST", "/v1/documents/extract", asked, Idempotency_Key="k").content == first.content


def test_a_case_is_routed_to_a_queue(vendors: Vendors) -> None:
    case = verify(vendors).content["case_id"]
    play(vendors, f"ifcgate/{case}", {"status": "approved"})
    asked = {"case_id": case, "action": "route_to_manual_review", "queue": "compliance-east"}
    assert call(vendors, "ifcgate", "POST", "/v1/workflows/run", asked).content["queue"] == "compliance-east"
    assert call(vendors, "ifcgate", "GET", f"/v1/cases/{case}").content["status"] == "in_review"
    assert call(vendors, "ifcgate", "POST", "/v1/workflows/run", asked | {"case_id": "case_0"}).status == 404


def test_too_many_requests_say_when_to_retry(vendors: Vendors) -> None:
    play(vendors, "ifcgate", {"fault": "429", "retry_after": "7", "times": 1})
    answer = verify(vendors)
    assert (answer.status, answer.headers["retry-after"], answer.content["error"]["status"]) == (429, "7", 429)
    assert verify(vendors).status == 200
