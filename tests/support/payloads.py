"""Bodies in the vendors' shapes, written by our own hand.

IDnGO: the fields of Sumsub's documented user-verification webhooks, which captured deliveries of the same platform
repeat. iDenfy: the required fields of its OpenAPI description. IFCGATE: the one body that its documentation shows.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

BEGAN = datetime(2026, 5, 4, 9, 30, 0, 250_000, tzinfo=UTC)


def after(**passed: float) -> datetime:
    """A moment on the vendor's clock, so long after the story began."""
    return BEGAN + timedelta(**passed)


def new_applicant() -> str:
    return uuid.uuid4().hex[:24]


def new_scan() -> str:
    return str(uuid.uuid4())


def new_case() -> str:
    return f"case_{uuid.uuid4().hex[:12]}"


def idngo(
    applicant: str, kind: str = "applicantReviewed", answer: str | None = None, *, at: datetime = BEGAN, status: str = "completed",
    reject: str | None = None, labels: list[str] | None = None, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    body: dict[str, Any] = {
        "applicantId": applicant,
        "inspectionId": applicant,
        "applicantType": "individual",
        "correlationId": uuid.uuid4().hex,
        "levelName": "id-and-liveness",
        "externalUserId": f"customer-{applicant[:6]}",
        "type": kind,
        "sandboxMode": False,
        "reviewStatus": status,
        "createdAt": at.strftime("%Y-%m-%d %H:%M:%S+0000"),
        "createdAtMs": f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}",
        "clientId": "example",
    }
    if answer:
        body["reviewResult"] = {"reviewAnswer": answer}
    if reject:
        body["reviewResult"] |= {
            "reviewRejectType": reject,
            "rejectLabels": labels or [],
            "moderationComment": "Please send a sharper photo of your document.",
            "clientComment": "for our eyes only",
        }
    return body | more


def idenfy(scan: str, overall: str = "APPROVED", *, final: bool = True, tags: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "final": final,
        "platform": "MOBILE",
        "status": {
            "overall": overall,
            "fraudTags": tags or [],
            "mismatchTags": [],
            "autoFace": "FACE_MATCH",
            "manualFace": None,
            "autoDocument": "DOC_VALIDATED",
            "manualDocument": None,
            "additionalSteps": None,
        },
        "data": {"docFirstName": "EXAMPLE", "docLastName": "PERSÖN", "docNumber": "X0000000", "docDob": "1990-01-01"},
        "fileUrls": {},
        "scanRef": scan,
        "externalRef": None,
        "clientId": "customer-7",
        "companyId": "",
        "beneficiaryId": "",
        "startTime": 1_777_886_000,
        "finishTime": 1_777_886_090,
        "clientIp": "192.0.2.1",
        "clientIpCountry": "LT",
        "clientLocation": None,
        "AML": None,
        "LID": None,
    } | more


def idenfy_monitoring(scans: list[str], status: str | None = "ALERT", *, monitoring: str = "m-1", **more: Any) -> dict[str, Any]:
    return {
        "monitoringId": monitoring,
        "name": "EXAMPLE",
        "surname": "PERSÖN",
        "nationality": "LT",
        "dob": None,
        "isActive": True,
        "expiration": None,
        "scanRefList": scans,
        "alertStatus": None,
        "status": status,
        "pepsStatus": None,
        "sanctionsStatus": None,
        "adverseMediaStatus": None,
        "results": [],
        "amlCheck": None,
    } | more


def idenfy_document(scan: str, threshold: str = "DOCUMENT_EXPIRED") -> dict[str, Any]:
    return {"scanRef": scan, "clientId": "customer-7", "expirationThreshold": threshold, "documentExpiration": "2026-05-01"}


def ifcgate(
    case: str, status: str = "approved", event: str = "case.review.completed", *, at: datetime = BEGAN, **more: Any
) -> dict[str, Any]:
    return {
        "event": event,
        "case_id": case,
        "status": status,
        "workflow": "onboarding-default",
        "processed_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
    } | more
