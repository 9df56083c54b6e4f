"""The stories that the simulator tells: what a vendor says of a made-up applicant, when, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from receiver.simulator.payloads import Step, case, document, idenfy, idngo, monitoring

AT_ONCE, SOON, WEEK_LATER = timedelta(0), timedelta(minutes=20), timedelta(days=7)
DAY_LATER, AFTER_ALL = timedelta(days=1), timedelta(days=8)

#: What a vendor says this much later is another chapter: the simulator lets what was said before be handled first.
CHAPTER = timedelta(hours=12)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What a vendor says of one applicant, and where that leaves them."""

    name: str
    vendor: str
    steps: tuple[Step, ...]
    #: Fields of the applicant at the end, as the API shows them.
    ending: Mapping[str, object]
    #: The reversals in the history, oldest first, if the story is sent in its order.
    reversals: tuple[str, ...] = ()


def chapters(story: Story) -> list[list[Step]]:
    """A story's steps, parted where much time passes."""
    parted: list[list[Step]] = []
    for step in story.steps:
        if not parted or step.after - parted[-1][-1].after >= CHAPTER:
            parted.append([])
        parted[-1].append(step)
    return parted


# what is said in several of them -------------------------------------------------------------------------------


def _idngo_begins() -> tuple[Step, ...]:
    return (
        idngo(AT_ONCE, "applicantCreated", "init"),
        idngo(timedelta(minutes=5), "applicantPending", "pending"),
    )


def green(after: timedelta) -> Step:
    return idngo(after, "applicantReviewed", "completed", reviewAnswer="GREEN")


def red(after: timedelta, kind: str, *labels: str, comment: str) -> Step:
    result = {"reviewAnswer": "RED", "reviewRejectType": kind, "rejectLabels": list(labels)}
    return idngo(after, "applicantReviewed", "completed", **result, moderationComment=comment, clientComment=INTERNAL)


def _approved_by_idenfy() -> Step:
    return idenfy(SOON, "IDENTIFICATION_MANUAL_FINISHED", "APPROVED", final=True)


# the stories --------------------------------------------------------------------------------------------------

PHOTO_AGAIN = "Please take the photo again, with all four corners of the document in sight."
INTERNAL = "For the client alone: this is never shown to an applicant."
NOT_VERIFIED = "We could not verify your profile."

#: Those that show what the service is for come first, so that a few suffice.
STORIES = (
    Story(
        name="approved, blacklisted a week later",
        vendor="idngo",
        steps=(*_idngo_begins(), green(SOON), red(WEEK_LATER, "FINAL", "BLACKLIST", "SANCTIONS", comment=NOT_VERIFIED)),
        ending={
            "status": "rejected", "final": True, "may_retry": False, "vendor_status": "RED:FINAL", "reasons": ["BLACKLIST", "SANCTIONS"],
            "hits": ["blacklist", "sanctions"], "user_message": None, "ever_approved": True,
        },
        reversals=("adverse",),
    ),
    Story(
        name="approved, found on the blacklist a week later",
        vendor="idenfy",
        steps=(
            idenfy(AT_ONCE, "IDENTIFICATION_AUTO_FINISHED", "APPROVED", final=False),
            _approved_by_idenfy(),
            idenfy(WEEK_LATER, "IDENTIFICATION_MANUAL_FINISHED", "DENIED", final=True, fraud=("FACE_BLACKLISTED",)),
        ),
        ending={"status": "rejected", "final": True, "reasons": ["FACE_BLACKLISTED"], "hits": ["blacklist"], "ever_approved": True},
        reversals=("adverse",),
    ),
    Story(
        name="approved, rejected a week later",
        vendor="ifcgate",
        steps=(case(AT_ONCE, "started", "in_review"), case(SOON, "completed", "approved"), case(WEEK_LATER, "completed", "rejected")),
        ending={"status": "rejected", "final": True, "vendor_status": "rejected", "ever_approved": True},
        reversals=("adverse",),
    ),
    Story(
        name="approved",
        vendor="idngo",
        steps=(*_idngo_begins(), green(SOON)),
        ending={"status": "approved", "final": True, "vendor_status": "GREEN", "reasons": [], "hits": []},
    ),
    Story(
        name="approved",
        vendor="idenfy",
        steps=(idenfy(SOON, "IDENTIFICATION_AUTO_FINISHED", "APPROVED", final=True),),
        ending={"status": "approved", "final": True, "provisional": None, "reasons": [], "hits": []},
    ),
    Story(
        name="approved",
        vendor="ifcgate",
        steps=(case(AT_ONCE, "started", "in_review"), case(SOON, "completed", "approved")),
        ending={"status": "approved", "final": True, "vendor_status": "approved"},
    ),
    Story(
        name="asked to resubmit, and awaited",
        vendor="idngo",
        steps=(*_idngo_begins(), red(SOON, "RETRY", "UNSATISFACTORY_PHOTOS", comment=PHOTO_AGAIN)),
        ending={
            "status": "resubmission_requested", "final": False, "may_retry": True, "reasons": ["UNSATISFACTORY_PHOTOS"],
            "user_message": PHOTO_AGAIN, "ever_approved": False,
        },
    ),
    Story(
        name="asked for documents, and awaited",
        vendor="ifcgate",
        steps=(case(AT_ONCE, "started", "in_review"), case(SOON, "completed", "needs_documents")),
        ending={"status": "resubmission_requested", "vendor_status": "needs_documents", "ever_approved": False},
    ),
    Story(
        name="asked to resubmit, approved a day later",
        vendor="idngo",
        steps=(*_idngo_begins(), red(SOON, "RETRY", "LOW_QUALITY", comment=PHOTO_AGAIN), green(DAY_LATER)),
        ending={"status": "approved", "final": True, "may_retry": None, "reasons": [], "user_message": None},
    ),
    Story(
        name="provisionally approved, refused by a person",
        vendor="idenfy",
        steps=(
            idenfy(AT_ONCE, "IDENTIFICATION_AUTO_FINISHED", "APPROVED", final=False),
            idenfy(SOON, "IDENTIFICATION_MANUAL_FINISHED", "DENIED", final=True, fraud=("FAKE_PHOTO",)),
        ),
        ending={"status": "rejected", "provisional": None, "reasons": ["FAKE_PHOTO"], "hits": [], "ever_approved": False},
    ),
    Story(
        name="provisional, no verdict as yet",
        vendor="idenfy",
        steps=(idenfy(AT_ONCE, "IDENTIFICATION_AUTO_FINISHED", "APPROVED", final=False),),
        ending={"status": "in_review", "provisional": "approved", "final": False, "ever_approved": False},
    ),
    Story(
        name="suspected",
        vendor="idenfy",
        steps=(idenfy(AT_ONCE, "IDENTIFICATION_AUTO_FINISHED", "SUSPECTED", final=True, fraud=("DUPLICATE_FACE",), mismatch=("SURNAME",)),),
        ending={"status": "needs_review", "final": True, "reasons": ["DUPLICATE_FACE", "SURNAME"], "ever_approved": False},
    ),
    Story(
        name="approved, a monitoring alert, cleared a day after",
        vendor="idenfy",
        steps=(_approved_by_idenfy(), monitoring(WEEK_LATER, "ALERT"), monitoring(AFTER_ALL, "ACTIVE")),
        ending={"status": "approved", "flags": [], "hits": []},
        reversals=("adverse", "reinstated"),
    ),
    Story(
        name="approved, a monitoring alert, still open",
        vendor="idenfy",
        steps=(_approved_by_idenfy(), monitoring(WEEK_LATER, "ALERT")),
        ending={"status": "needs_review", "flags": ["MONITORING_ALERT"], "hits": ["aml"], "ever_approved": True},
        reversals=("adverse",),
    ),
    Story(
        name="rejected",
        vendor="idngo",
        steps=(*_idngo_begins(), red(SOON, "FINAL", "FORGERY", comment=NOT_VERIFIED)),
        ending={"status": "rejected", "may_retry": False, "reasons": ["FORGERY"], "user_message": NOT_VERIFIED, "ever_approved": False},
    ),
    Story(
        name="rejected",
        vendor="ifcgate",
        steps=(case(AT_ONCE, "started", "in_review"), case(SOON, "completed", "rejected")),
        ending={"status": "rejected", "final": True, "ever_approved": False},
    ),
    Story(
        name="approved, reviewed again a week later",
        vendor="idngo",
        steps=(*_idngo_begins(), green(SOON), idngo(WEEK_LATER, "applicantPending", "pending"), green(AFTER_ALL)),
        ending={"status": "approved", "final": True, "vendor_status": "GREEN"},
        reversals=("re_review", "reinstated"),
    ),
    Story(
        name="approved, deactivated, activated",
        vendor="idngo",
        steps=(
            *_idngo_begins(),
            green(SOON),
            idngo(WEEK_LATER, "applicantDeactivated", "completed"),
            idngo(AFTER_ALL, "applicantActivated", "completed"),
        ),
        ending={"status": "approved", "flags": []},
        reversals=("offboarded", "reinstated"),
    ),
    Story(
        name="approved, reset a week later",
        vendor="idngo",
        # A reset carries the old answer along, and approves no applicant: the vendor's own sample does so.
        steps=(*_idngo_begins(), green(SOON), idngo(WEEK_LATER, "applicantReset", "init", reviewAnswer="GREEN")),
        ending={"status": "created", "final": False, "last_verdict": None, "ever_approved": True},
        reversals=("re_review",),
    ),
    Story(
        name="approved, the document ran out",
        vendor="idenfy",
        steps=(_approved_by_idenfy(), document(WEEK_LATER, "DOCUMENT_EXPIRED")),
        ending={"status": "document_expired", "flags": ["DOCUMENT_EXPIRED"], "ever_approved": True},
        reversals=("lapsed",),
    ),
    Story(
        name="on hold",
        vendor="idngo",
        steps=(*_idngo_begins(), idngo(SOON, "applicantOnHold", "onHold")),
        ending={"status": "on_hold", "final": False, "ever_approved": False},
    ),
    Story(
        name="the session ran out",
        vendor="idenfy",
        steps=(idenfy(AT_ONCE, "IDENTIFICATION_EXPIRED", "EXPIRED", final=False),),
        ending={"status": "session_expired", "ever_approved": False},
    ),
)  # fmt: skip
