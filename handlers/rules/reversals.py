"""Reversals: what a change of status does to an approval."""

from __future__ import annotations

from store.applicants.table import Applicant
from store.text.states import Reversal, Status

#: What a change of status does to an approval, by where it leads.
FALLEN: dict[Status, Reversal] = {
    Status.REJECTED: Reversal.ADVERSE,
    Status.NEEDS_REVIEW: Reversal.ADVERSE,
    Status.CREATED: Reversal.RE_REVIEW,
    Status.IN_REVIEW: Reversal.RE_REVIEW,
    Status.ON_HOLD: Reversal.RE_REVIEW,
    Status.AWAITING_APPLICANT: Reversal.RE_REVIEW,
    Status.RESUBMISSION_REQUESTED: Reversal.RE_REVIEW,
    Status.DOCUMENT_EXPIRED: Reversal.LAPSED,
    Status.SESSION_EXPIRED: Reversal.LAPSED,
    Status.DEACTIVATED: Reversal.OFFBOARDED,
    Status.DELETED: Reversal.OFFBOARDED,
    Status.CANCELLED: Reversal.OFFBOARDED,
}


def reversal(before: Applicant, after: Applicant) -> Reversal | None:
    """Return what a change of status does to an approval."""
    verdict = before.last_verdict and before.last_verdict["status"]
    if before.status == after.status and before.version:
        return None
    if after.status == Status.APPROVED:
        return Reversal.REINSTATED if verdict in (Status.APPROVED, Status.REJECTED) else None
    return FALLEN[after.status] if verdict == Status.APPROVED else None
