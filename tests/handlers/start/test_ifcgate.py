"""Verifications begun at IFCGATE, which is played over real HTTP.

The requests and the answers are those of https://www.ifcgate.com/documentation.html.
"""

from __future__ import annotations

import pytest

from handlers.start.ifcgate import IfcgateStart
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType
from tests.support.downstream import Downstream, Reply, answering, saying
from tests.support.vendors import starting
from tests.support.vendors.starting import HASTY, again, refused

BEGUN = {
    "case_id": "case_10294",
    "status": "in_review",
    "workflow": "onboarding-default",
    "queue": "manual_review",
    "submitted_at": "2026-03-30T02:41:00Z",
}
PASSPORT = Document(type=DocumentType.PASSPORT, url="https://files.example.com/passport.png?signature=geheim")


@pytest.fixture
def vendor(server: Downstream) -> IfcgateStart:
    return starting.ifcgate(server.url(""))


def verify(vendor: IfcgateStart, *documents: Document) -> str:
    return vendor.verify(workflow="onboarding-default", applicant_id="app_10294", documents=documents, key="standing-7")


def test_a_verification_is_begun_with_its_key_and_gives_its_case(server: Downstream, vendor: IfcgateStart) -> None:
    server.answer = saying(answering(BEGUN))
    assert verify(vendor, PASSPORT) == "case_10294"
    [asked] = server.came
    assert (asked.method, asked.path) == ("POST", "/v1/verifications")
    assert asked.headers["idempotency-key"] == "standing-7"
    assert asked.headers["authorization"] == "Bearer ifcg_live_geheim"
    assert asked.headers["content-length"] == str(len(asked.body))
    assert asked.json == {
        "workflow": "onboarding-default",
        "applicant_id": "app_10294",
        "documents": [{"type": "passport", "file_url": "https://files.example.com/passport.png?signature=geheim"}],
    }


def test_a_verification_without_documents_names_none(server: Downstream, vendor: IfcgateStart) -> None:
    server.answer = saying(answering(BEGUN, 201))
    assert verify(vendor) == "case_10294"
    assert server.came[0].json == {"workflow": "onboarding-default", "applicant_id": "app_10294"}


def test_a_call_is_made_once(server: Downstream, vendor: IfcgateStart) -> None:
    server.answer = saying(answering(b"busy", 503))
    again(lambda: verify(vendor))
    assert len(server.came) == 1


def test_an_extraction_and_an_action_give_the_answer_byte_for_byte(server: Downstream, vendor: IfcgateStart) -> None:
    server.answer = saying(answering(b'{ "document_id": "doc_1", "status": "processed", "fields": {"total": "12"} }'))
    read = vendor.extract(template="invoice", file_url="https://files.example.com/invoice.pdf", key="standing-8")
    assert read == b'{ "document_id": "doc_1", "status": "processed", "fields": {"total": "12"} }'
    server.answer = saying(answering(b""))
    assert vendor.route(case_id="case_1", action="route_to_manual_review", queue="high-risk", key="standing-9") == b""
    extracted, routed = server.came
    assert (extracted.path, extracted.headers["idempotency-key"]) == ("/v1/documents/extract", "standing-8")
    assert extracted.json == {"template": "invoice", "file_url": "https://files.example.com/invoice.pdf"}
    assert (routed.path, routed.headers["idempotency-key"]) == ("/v1/workflows/run", "standing-9")
    assert routed.json == {"case_id": "case_1", "action": "route_to_manual_review", "queue": "high-risk"}


def test_an_extraction_may_take_longer_than_other_calls(server: Downstream) -> None:
    server.answer, vendor = saying(Reply(body=b"{}", seconds=3)), starting.ifcgate(server.url(""), HASTY)
    assert vendor.extract(template="invoice", file_url="https://files.example.com/invoice.pdf", key="standing-8") == b"{}"
    assert "no answer" in again(lambda: verify(vendor)).says


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, FailureKind.CALLER),
        (401, FailureKind.CONTRACT),
        (402, FailureKind.CONTRACT),
        (403, FailureKind.CONTRACT),
        (404, FailureKind.CALLER),
        (409, FailureKind.PERSON),
        (422, FailureKind.CALLER),
    ],
)
@pytest.mark.parametrize("is_success", [False, True])
def test_an_error_is_sorted_by_its_status_even_in_a_success(
    status: int, fault: FailureKind, is_success: bool, server: Downstream, vendor: IfcgateStart
) -> None:
    error = {
        "code": "workflow_validation_failed",
        "message": "A document is missing.",
        "request_id": "req_1",
        "status": status,
    }
    server.answer = saying(answering({"error": error}, 200 if is_success else status))
    found = refused(lambda: verify(vendor))
    assert (found.fault, found.code, found.identifier) == (fault, status, "workflow_validation_failed")
    assert "A document is missing." in found.says


@pytest.mark.parametrize("status", [301, 404, 405])
def test_an_answer_that_is_not_the_vendors_is_for_a_person(status: int, server: Downstream, vendor: IfcgateStart) -> None:
    server.answer = saying(answering(b"<html>Not here</html>", status, Location="https://elsewhere.example.com/"))
    assert refused(lambda: verify(vendor)).fault == FailureKind.PERSON
    assert len(server.came) == 1


def test_an_address_of_a_document_is_in_no_message(server: Downstream, vendor: IfcgateStart) -> None:
    error = {"code": "fetch_failed", "message": f"{PASSPORT.url} answered 403 to ifcg_live_geheim", "status": 422}
    server.answer = saying(answering({"error": error}, 422))
    assert refused(lambda: verify(vendor, PASSPORT)).says == "HTTP 422, fetch_failed: [masked] answered 403 to [cut out]"
