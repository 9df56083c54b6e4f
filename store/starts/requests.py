"""Started verifications, as they are listed and shown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from store.access import audit
from store.applicants import table as applicants
from store.applicants import visibility
from store.database import bulk
from store.database.columns import page
from store.database.restriction import names_restricted
from store.database.vendor_tables import VerificationRequest
from store.inbox.sealing.encryption import Unopenable
from store.starts import sealed
from store.system import clock
from store.text.states import ApplicantKey, Status


class StartMode(StrEnum):
    """How a person's documents get to the vendor."""

    #: The person goes through the vendor's pages.
    HOSTED = "hosted"
    #: Standing passes them on.
    DOCUMENTS = "documents"


class StartStatus(StrEnum):
    """The state of a started verification, as far as starting it goes. The applicant has the verdict."""

    #: Nothing was sent yet.
    REQUESTED = "requested"
    #: It was sent, and the answer is not known yet.
    SENT = "sent"
    #: The vendor's reference is known; in hosted mode, so is where the person is to go.
    LINKED = "linked"
    #: The vendor waits for images.
    WAITING_FOR_DOCUMENTS = "waiting_for_documents"
    #: The vendor has everything, and was asked for a verdict.
    SUBMITTED = "submitted"
    #: It was given up: `failure` says why.
    FAILED = "failed"
    #: Somebody called it off.
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """Why a verification was given up."""

    #: What was asked for cannot be done as it is: the caller changes it.
    CALLER = "caller"
    #: Money, the contract or the credentials: whoever runs Standing must act.
    CONTRACT = "contract"
    #: A person must look before anything is sent again.
    PERSON = "person"
    #: The vendor could not be reached, or gave no answer that is understood, as often as allowed.
    GAVE_UP = "gave_up"


#: Statuses of an applicant after which another verification may be started.
ENDED = (
    Status.APPROVED, Status.REJECTED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW, Status.SESSION_EXPIRED, Status.CANCELLED,
    Status.DEACTIVATED, Status.DELETED,
)  # fmt: skip

_MOMENTS = ("requested_at", "sent_at", "linked_at", "submitted_at", "ended_at")


def find(connection: Connection, request_id: str, *, lock: bool = False) -> Row[Any] | None:
    """Return a verification's row; None if there is none."""
    query = select(VerificationRequest.__table__).where(VerificationRequest.id == request_id)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def refuse_restricted(connection: Connection, row: Row[Any], *, is_officer: bool = False) -> None:
    """Raise Restricted for a verification whose applicant is restricted."""
    found = applicants.find_shown(connection, key_of(row)) if row.reference else None
    if found is not None:
        visibility.refuse_restricted(found, is_officer=is_officer)


def key_of(row: Row[Any]) -> ApplicantKey:
    """Return the applicant of a verification whose reference is known."""
    return ApplicantKey(row.vendor, row.environment, row.reference)


def audit_subject(row: Row[Any]) -> str:
    """Return how an act names a verification: by its applicant, or by the person while the reference is not known."""
    return audit.applicant_subject(key_of(row)) if row.reference else audit.user_subject(row.external_user_id)


def listing(
    connection: Connection,
    *,
    environment: str,
    external_user_id: str | None = None,
    vendor: str | None = None,
    status: str | None = None,
    since: datetime | None = None,
    after: tuple[str] | None = None,
    newest_first: bool = False,
    limit: int,
) -> list[Row[Any]]:
    """Return verifications in the order in which they were asked for, or the newest first, after a place in that order. Those of
    restricted applicants are left out."""
    is_hidden = names_restricted(VerificationRequest)
    query = select(VerificationRequest.__table__).where(VerificationRequest.environment == environment, ~is_hidden)
    given = {"external_user_id": external_user_id, "vendor": vendor, "status": status}
    for name, value in given.items():
        if value is not None:
            query = query.where(getattr(VerificationRequest, name) == value)
    if since:
        query = query.where(VerificationRequest.requested_at >= since)
    return list(connection.execute(page(query, VerificationRequest.id, after=after, newest_first=newest_first, limit=limit)).all())


def of_user(connection: Connection, environment: str, external_user_id: str) -> list[Row[Any]]:
    """Return the verifications that were started for a user, the oldest first."""
    mine = (VerificationRequest.environment == environment, VerificationRequest.external_user_id == external_user_id)
    return list(connection.execute(select(VerificationRequest.__table__).where(*mine).order_by(VerificationRequest.id)).all())


def references_among(connection: Connection, keys: Collection[ApplicantKey]) -> set[ApplicantKey]:
    """Return those of the applicants that a verification was started for."""
    columns = (VerificationRequest.vendor, VerificationRequest.environment, VerificationRequest.reference)
    found = connection.execute(select(*columns).where(bulk.of_applicants(VerificationRequest, keys)))
    return {ApplicantKey(row.vendor, row.environment, row.reference) for row in found}


def describe(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Return a verification as it is shown: with where the person is to go, and what the vendor asks for again.

    Where a verification cannot be opened, because its key was destroyed, it does not say where the person is to go."""
    applicant = applicants.find_shown(connection, key_of(row)) if row.reference else None
    asks_again = applicant is not None and applicant.status == Status.RESUBMISSION_REQUESTED
    told = {"to_send_again": [_shown(one) for one in applicant.problem_documents] if applicant and asks_again else []}
    return summary(row) | {"redirect_url": _redirect_url(connection, row)} | told


def _redirect_url(connection: Connection, row: Row[Any]) -> str | None:
    try:
        return sealed.read(connection, row).redirect_url
    except Unopenable:
        return None


def _shown(problem: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked for again, with the comments that may be shown to the person, and no other."""
    shown = {name: value for name, value in problem.items() if name != "internal_comment"}
    return shown | {"images": [{name: value for name, value in image.items() if name != "internal_comment"} for image in problem["images"]]}


def summary(row: Row[Any]) -> dict[str, Any]:
    """Return a verification as a list shows it: without where the person is to go, which opens the vendor's pages."""
    return {
        "id": row.id,
        "vendor": row.vendor,
        "environment": row.environment,
        "external_user_id": row.external_user_id,
        "mode": row.mode,
        "level": row.level if row.vendor != "ifcgate" else None,
        "workflow": row.level if row.vendor == "ifcgate" else None,
        "status": row.status,
        "reference": row.reference,
        "documents": row.documents,
        "uploads": row.uploads,
        "failure": row.failure,
        "attempts": row.attempts,
        "next_attempt_at": clock.rfc3339(row.due_at),
        "last_answer": row.answers[-1]["says"] if row.answers else None,
        "requested_by": row.requested_by,
        "forced": row.forced,
    } | {name: clock.rfc3339(getattr(row, name)) for name in _MOMENTS}
