"""The words: statuses of applicants, outcomes of events, and what a change does to an approval."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """The status of an applicant. No status is terminal: each may be followed by any other."""

    #: Known, nothing to review yet.
    CREATED = "created"
    #: Being checked; a provisional verdict is kept beside it and not acted upon.
    IN_REVIEW = "in_review"
    #: The vendor paused it.
    ON_HOLD = "on_hold"
    #: The vendor waits for the applicant.
    AWAITING_APPLICANT = "awaiting_applicant"
    #: Finished with flags, or in doubt: a person decides.
    NEEDS_REVIEW = "needs_review"
    #: A completed, positive verdict: the only status that may mean access.
    APPROVED = "approved"
    #: Refused for now; the applicant may send again what is asked.
    RESUBMISSION_REQUESTED = "resubmission_requested"
    #: Refused.
    REJECTED = "rejected"
    #: The session ran out before a verdict.
    SESSION_EXPIRED = "session_expired"
    #: Approved once, and the document has run out since.
    DOCUMENT_EXPIRED = "document_expired"
    #: Given up before a verdict.
    CANCELLED = "cancelled"
    #: The vendor set the profile aside.
    DEACTIVATED = "deactivated"
    #: The vendor erased it.
    DELETED = "deleted"


class VendorEnvironment(StrEnum):
    """The vendor's environment to which an applicant or an event belongs."""

    LIVE = "live"
    SANDBOX = "sandbox"


class Outcome(StrEnum):
    """The outcome of an event. Every kept event reaches one, with a reason; until then it is pending."""

    #: Kept, not yet handled.
    PENDING = "pending"
    #: It changed something.
    APPLIED = "applied"
    #: True, but it says nothing new.
    UNCHANGED = "unchanged"
    #: Older than what is known.
    SUPERSEDED = "superseded"
    #: Of a kind that moves nothing.
    IGNORED = "ignored"
    #: Authentic, but it cannot be understood.
    UNREADABLE = "unreadable"
    #: A dead letter: handling failed as often as allowed.
    FAILED = "failed"


class Reversal(StrEnum):
    """What a change of status does to an approval."""

    #: It was approved, and is rejected or in doubt: wake someone.
    ADVERSE = "adverse"
    #: It was approved, and is being looked at again.
    RE_REVIEW = "re_review"
    #: It was approved, and has run out.
    LAPSED = "lapsed"
    #: It was approved, and was set aside, erased or given up.
    OFFBOARDED = "offboarded"
    #: It is approved again, after an approval or a rejection.
    REINSTATED = "reinstated"


class Stand(StrEnum):
    """The state of a person's decision."""

    #: It decides, as far as nothing lies over it.
    STANDS = "stands"
    #: It needs a second operator, and has none.
    WAITS = "waits_for_confirmation"
    #: It was taken back before a second operator confirmed it.
    WITHDRAWN = "withdrawn"
    #: Newer news of the vendor's decides.
    OUTVOTED = "outvoted"


class Flag(StrEnum):
    """What else is true of an applicant, in the order in which it is shown."""

    #: The vendor set the profile aside.
    DEACTIVATED = "DEACTIVATED"
    #: The document has run out.
    DOCUMENT_EXPIRED = "DOCUMENT_EXPIRED"
    #: The document runs out soon.
    DOCUMENT_EXPIRING = "DOCUMENT_EXPIRING"
    #: A monitoring found something that is not cleared.
    MONITORING_ALERT = "MONITORING_ALERT"
    #: The vendor archived the verification.
    ARCHIVED = "ARCHIVED"
    #: What is shown was said by a body that had been seen before.
    REPEATED_BODY = "REPEATED_BODY"
    #: What is shown carries no usable time; it is ordered by our time of receipt.
    TIME_UNKNOWN = "TIME_UNKNOWN"
    #: An approval whose body says something about screening that is not understood.
    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"


#: Vendors whose events say what was decided, and never why.
WITHOUT_REASONS = ("ifcgate",)

#: What a verdict's reasons or an open alert can name, in the order in which it is shown.
HITS = ("blacklist", "sanctions", "pep", "adverse_media", "criminal", "aml")

#: The same, in words for people.
HIT_WORDS = {
    "blacklist": "on a blacklist",
    "sanctions": "on a sanctions list",
    "pep": "politically exposed",
    "adverse_media": "adverse media",
    "criminal": "criminal record",
    "aml": "a find of the AML screening",
}


class ApplicantKey(NamedTuple):
    """The key of an applicant."""

    vendor: str
    environment: str
    reference: str
