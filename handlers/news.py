"""News: what an event says of applicants, translated into our words. The vendors' modules make it, the rules apply it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from store.applicants import NOTHING_CHECKED
from store.states import Status


class Unreadable(Exception):
    """Authentic, but it cannot be understood. The message is the reason, in words that hold nobody's data."""

    def __init__(self, reason: str, *, event_type: str | None = None, reference: str | None = None) -> None:
        self.reason, self.event_type, self.reference = reason, event_type, reference
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Verdict or progress: the news that puts an applicant somewhere."""

    status: Status
    #: It closes the question: `last_verdict` and `hits` follow it.
    verdict: bool = False
    #: Only a reopening undoes it, whatever else comes later (iDenfy's final verdicts).
    binding: bool = False
    #: It reopens what was bound (iDenfy's RESUBMITTED).
    reopens: bool = False
    #: It begins anew: a reset or another level.
    restarts: bool = False
    #: It takes the last verdict back: a reset.
    wipes: bool = False
    final: bool = False
    provisional: Status | None = None
    vendor_status: str | None = None
    may_retry: bool | None = None
    reasons: tuple[str, ...] = ()
    #: What the body names of `HITS`.
    hits: tuple[str, ...] = ()
    #: Screenings that failed, in the vendor's words: with one of them an approval is none.
    failed_screenings: tuple[str, ...] = ()
    checks: dict[str, str | None] = field(default_factory=lambda: dict(NOTHING_CHECKED))
    user_message: str | None = None
    level: str | None = None


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """The vendor erased the applicant."""

    vendor_status: str | None = None
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class Activity:
    """The vendor set the profile aside, or took it up again."""

    active: bool


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A monitoring found something, or what it found was cleared. Each monitoring has its own alert."""

    monitoring: str
    raised: bool


@dataclass(frozen=True, kw_only=True)
class DocumentNotice:
    """The document has run out, or soon will."""

    expired: bool


@dataclass(frozen=True, kw_only=True)
class Archived:
    """The vendor archived the verification."""


Says = Step | Deletion | Activity | Alert | DocumentNotice | Archived


@dataclass(frozen=True, kw_only=True)
class News:
    """What one event says, of which applicants, and why we read it so."""

    event_type: str | None
    references: tuple[str, ...] = ()
    #: The vendor's time of the event; None where it gives none that can be read.
    occurred_at: datetime | None = None
    #: None for an event of a kind that moves nothing.
    says: Says | None
    #: The beginning of the reason, in the vendor's words.
    because: str
    external_user_id: str | None = None
