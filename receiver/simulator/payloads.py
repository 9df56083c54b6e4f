"""What the three vendors' deliveries look like: bodies of made-up applicants, in our own hand.

The shapes are those of Sumsub's documented samples for IDnGO, of iDenfy's OpenAPI description, and of the one body
that IFCGATE publishes. Nothing in them is of a real person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that a vendor says."""

    #: When, after the story began, by the vendor's clock.
    after: timedelta
    event_type: str
    #: What the body says beside its envelope.
    says: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Applicant:
    """A made-up applicant, as its vendor and you know it."""

    vendor: str
    environment: str
    #: The vendor's own: an `applicantId`, a `scanRef` or a `case_id`.
    reference: str
    #: Yours.
    external_user_id: str
    #: When the story began, by the vendor's clock.
    began_at: datetime
    #: IDnGO's level: one at which an approval counts.
    level: str
    #: The applicant's place in a run.
    number: int = 0


REFERENCES = {
    "idngo": "{run}{number:016x}",
    "idenfy": "{run}-0000-4000-8000-{number:012x}",
    "ifcgate": "case_{run}_{number}",
}


def made_up(*, vendor: str, environment: str, run: str, number: int, began_at: datetime, level: str) -> Applicant:
    """Return an applicant of a run. Eight hex digits distinguish one run of the simulator from all others."""
    return Applicant(
        vendor=vendor,
        environment=environment,
        reference=REFERENCES[vendor].format(run=run, number=number),
        external_user_id=f"example-{run}-{number}",
        began_at=began_at,
        level=level,
        number=number,
    )


def body(applicant: Applicant, step: Step) -> bytes:
    """What the applicant's vendor sends to say a step."""
    said = {**SHAPES[applicant.vendor](applicant, step), **step.says}
    return json.dumps(said, indent=2).encode()


# what they say ------------------------------------------------------------------------------------------------


def idngo(after: timedelta, event_type: str, review_status: str, **result: object) -> Step:
    """An event of IDnGO's, with its review's result if there is one."""
    says: dict[str, object] = {"reviewStatus": review_status} | ({"reviewResult": result} if result else {})
    return Step(after=after, event_type=event_type, says=says)


def idenfy(
    after: timedelta, event_type: str, overall: str, *, final: bool, fraud: tuple[str, ...] = (), mismatch: tuple[str, ...] = ()
) -> Step:
    """A verification's result."""
    by_a_person = event_type == "IDENTIFICATION_MANUAL_FINISHED"
    status = {
        "overall": overall,
        "fraudTags": list(fraud),
        "mismatchTags": list(mismatch),
        "autoDocument": "DOC_VALIDATED",
        "autoFace": "FACE_MATCH",
        "manualDocument": "DOC_VALIDATED" if by_a_person else None,
        "manualFace": "FACE_MATCH" if by_a_person else None,
        "additionalSteps": None,
    }
    return Step(after=after, event_type=event_type, says={"final": final, "status": status})


def monitoring(after: timedelta, status: str) -> Step:
    """What iDenfy's monitoring of a person found."""
    found = "FLAGS_FOUND" if status == "ALERT" else "NO_FLAGS"
    return Step(after=after, event_type="AML_MONITORING", says={"status": status, "sanctionsStatus": found})


def document(after: timedelta, threshold: str) -> Step:
    """How long iDenfy says that the document lasts."""
    return Step(after=after, event_type="DOCUMENT_EXPIRATION", says={"expirationThreshold": threshold})


def case(after: timedelta, event: str, status: str) -> Step:
    """An event of a review at IFCGATE."""
    return Step(after=after, event_type=f"case.review.{event}", says={"status": status})


# what is around it --------------------------------------------------------------------------------------------


def _idngo(applicant: Applicant, step: Step) -> dict[str, object]:
    """As in the samples of docs.sumsub.com/docs/user-verification-webhooks."""
    return {
        "applicantId": applicant.reference,
        "inspectionId": applicant.reference,
        "applicantType": "individual",
        "correlationId": f"req-{applicant.reference}",
        "levelName": applicant.level,
        "externalUserId": applicant.external_user_id,
        "type": step.event_type,
        "sandboxMode": applicant.environment == "sandbox",
        "createdAtMs": _moment(applicant, step).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
        "clientId": "example",
    }


def _idenfy(applicant: Applicant, step: Step) -> dict[str, object]:
    """As in iDenfy's OpenAPI description, webhooks; which body it is depends on the type, which only the header tells."""
    return IDENFY_SHAPES.get(step.event_type, _identification)(applicant)


def _identification(applicant: Applicant) -> dict[str, object]:
    started_at = int(applicant.began_at.timestamp())
    return {
        "scanRef": applicant.reference,
        "clientId": applicant.external_user_id,
        "platform": "PC",
        "startTime": started_at,
        "finishTime": started_at + 60,
        "clientIp": "192.0.2.1",
        "clientIpCountry": "LT",
        "clientLocation": None,
        "data": {"docFirstName": "EXAMPLE", "docLastName": "EXAMPLE", "docType": "PASSPORT", "docIssuingCountry": "LT"},
        "fileUrls": {},
        "AML": None,
        "LID": None,
    }


def _monitoring(applicant: Applicant) -> dict[str, object]:
    return {
        "monitoringId": applicant.reference,
        "name": "EXAMPLE",
        "surname": "EXAMPLE",
        "nationality": "LT",
        "dob": None,
        "isActive": True,
        "expiration": (applicant.began_at + timedelta(days=365)).strftime("%Y-%m-%d"),
        "scanRefList": [applicant.reference],
        "pepsStatus": None,
        "adverseMediaStatus": None,
        "results": [],
        "amlCheck": None,
    }


def _document(applicant: Applicant) -> dict[str, object]:
    ran_out_on = (applicant.began_at + timedelta(days=7)).strftime("%Y-%m-%d")
    return {"scanRef": applicant.reference, "clientId": applicant.external_user_id, "documentExpiration": ran_out_on}


def _ifcgate(applicant: Applicant, step: Step) -> dict[str, object]:
    """As in the webhook on www.ifcgate.com/documentation.html; only its `case.review.completed` is published."""
    return {
        "event": step.event_type,
        "case_id": applicant.reference,
        "workflow": "onboarding-default",
        "processed_at": _moment(applicant, step).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _moment(applicant: Applicant, step: Step) -> datetime:
    return applicant.began_at + step.after


SHAPES: dict[str, Callable[[Applicant, Step], dict[str, object]]] = {"idngo": _idngo, "idenfy": _idenfy, "ifcgate": _ifcgate}

IDENFY_SHAPES: dict[str, Callable[[Applicant], dict[str, object]]] = {"AML_MONITORING": _monitoring, "DOCUMENT_EXPIRATION": _document}
