"""Results: what a played vendor reports about an applicant, in its own events, and which verdict it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from receiver.simulator.payloads import Applicant, Step, case, idenfy, idngo
from receiver.simulator.played.records import Event, Standing
from receiver.simulator.stories import AT_ONCE, NOT_VERIFIED, PHOTO_AGAIN, green, red

#: The verdict, unless the play says another.
APPROVALS = {"ifcgate": "approved", "idngo": "GREEN", "idenfy": "APPROVED"}

#: The status while a vendor reviews. A verdict comes only to an applicant who still has it.
IN_REVIEW = {"ifcgate": "in_review", "idngo": "pending", "idenfy": "REVIEWING"}

#: The labels or tags of a refusal, unless the play names others.
LABELS = {
    "RED:RETRY": ("UNSATISFACTORY_PHOTOS",),
    "RED:FINAL": ("FORGERY",),
    "DENIED": ("FAKE_PHOTO",),
    "SUSPECTED": ("DUPLICATE_FACE",),
}

#: IDnGO's event of each review status that is no verdict.
PROGRESS = {
    "init": "applicantReset",
    "pending": "applicantPending",
    "prechecked": "applicantPrechecked",
    "onHold": "applicantOnHold",
    "awaitingUser": "applicantAwaitingUser",
    "awaitingService": "applicantAwaitingService",
}


def report(vendor: str, event: Event) -> list[Step]:
    """Return what a vendor sends about something that happened; often nothing."""
    standing = event.standing
    after = timedelta(0) if event.what == "created" else standing.at - standing.began_at
    return [replace(step, after=after) for step in REPORTS[vendor](event.what, standing)]


def applicant(vendor: str, event: Event, *, environment: str) -> Applicant:
    """Return who a webhook is about."""
    standing = event.standing
    return Applicant(
        vendor=vendor,
        environment=environment,
        reference=event.reference,
        external_user_id=standing.user,
        began_at=standing.began_at,
        level=standing.level,
    )


def _of_ifcgate(what: str, standing: Standing) -> list[Step]:
    if what == "created":
        return []
    return [case(AT_ONCE, "started" if standing.status == "in_review" else "completed", standing.status)]


def _of_idngo(what: str, standing: Standing) -> list[Step]:
    if what == "created":
        return [idngo(AT_ONCE, "applicantCreated", "init")]
    answer, _, reject_type = standing.status.partition(":")
    if answer == "GREEN":
        return [green(AT_ONCE)]
    if answer == "RED":
        return [red(AT_ONCE, reject_type, *standing.labels, comment=PHOTO_AGAIN if reject_type == "RETRY" else NOT_VERIFIED)]
    return [idngo(AT_ONCE, PROGRESS[standing.status], standing.status)] if standing.status in PROGRESS else []


def _of_idenfy(what: str, standing: Standing) -> list[Step]:
    """Report a verdict twice: by the automatic check, not final, and by a person."""
    word = standing.status
    if word == "EXPIRED":
        return [idenfy(AT_ONCE, "IDENTIFICATION_EXPIRED", word, final=False)]
    if what == "created" or word not in ("APPROVED", "DENIED", "SUSPECTED"):
        return []
    manual = idenfy(AT_ONCE, "IDENTIFICATION_MANUAL_FINISHED", word, final=True, fraud=standing.labels)
    if what == "changed":
        return [manual]
    return [idenfy(AT_ONCE, "IDENTIFICATION_AUTO_FINISHED", "APPROVED", final=False), manual]


REPORTS: dict[str, Callable[[str, Standing], list[Step]]] = {"ifcgate": _of_ifcgate, "idngo": _of_idngo, "idenfy": _of_idenfy}
