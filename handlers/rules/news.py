"""News: what an event says about applicants, translated into our words. The vendors' modules create it, the rules apply it."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct, field

from store.applicants.table import NOTHING_CHECKED
from store.inbox.events import InboxEvent
from store.inbox.internal_events import DecisionBody
from store.text.states import Status


class Unreadable(Exception):
    """The event is authentic and cannot be understood. The message is the reason, without personal data."""

    def __init__(self, reason: str, *, event_type: str | None = None, reference: str | None = None) -> None:
        self.reason, self.event_type, self.reference = reason, event_type, reference
        super().__init__(reason)


class Step(Struct, frozen=True, kw_only=True, tag=True):
    """A verdict or progress: news that sets the status of an applicant."""

    status: Status
    #: It closes the question: `last_verdict` and `hits` follow it.
    verdict: bool = False
    #: Only a reopening undoes it, whatever else comes later (iDenfy's final verdicts).
    binding: bool = False
    #: It reopens what was bound (iDenfy's RESUBMITTED).
    reopens: bool = False
    #: It starts again: a reset or another level.
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
    #: It was known before there was an event.
    imported: bool = False
    #: Screenings that failed, in the vendor's words: with one of them an approval is none.
    failed_screenings: tuple[str, ...] = ()
    #: Documented words that may mean a find, likewise.
    doubtful: tuple[str, ...] = ()
    #: The places of its body that say something about screening and are not understood, likewise.
    not_understood: tuple[str, ...] = ()
    checks: dict[str, str | None] = field(default_factory=lambda: dict(NOTHING_CHECKED))
    user_message: str | None = None
    #: When the document runs out, as `YYYY-MM-DD`, where a vendor sends it and it is kept.
    document_expires_on: str | None = None
    level: str | None = None


class Deletion(Struct, frozen=True, kw_only=True, tag=True):
    """The vendor erased the applicant."""

    vendor_status: str | None = None
    final: bool = False
    #: It says that it erased the personal data, too.
    of_personal_data: bool = False


class Activity(Struct, frozen=True, kw_only=True, tag=True):
    """The vendor deactivated the profile, or activated it again."""

    active: bool


class Alert(Struct, frozen=True, kw_only=True, tag=True):
    """A monitoring found something, or cleared what it found. Each monitoring has its own alert."""

    monitoring: str
    raised: bool


class DocumentNotice(Struct, frozen=True, kw_only=True, tag=True):
    """The document has expired, or soon will."""

    expired: bool


class Archived(Struct, frozen=True, kw_only=True, tag=True):
    """The vendor archived the verification."""


class Judgement(Struct, frozen=True, kw_only=True, tag=True):
    """A person's decision. It holds until newer news of the vendor sets another status."""

    status: Status
    decided: DecisionBody


Says = Step | Deletion | Activity | Alert | DocumentNotice | Archived | Judgement


class News(Struct, frozen=True, kw_only=True):
    """What one event says, about which applicants, and why we read it so."""

    event_type: str | None
    references: tuple[str, ...] = ()
    #: The vendor's time of the event; None where it gives none that can be read.
    occurred_at: datetime | None = None
    #: None for an event of a kind that moves nothing.
    says: Says | None
    #: The beginning of the reason, in the vendor's words.
    because: str
    external_user_id: str | None = None
    #: Hits that an import names. No other import clears them; the vendor's own verdict does.
    imported_hits: tuple[str, ...] = ()
    #: Its type is not among those that the vendor is known to send: somebody should look whether it should move something.
    is_unknown_type: bool = False


class Occasion(Struct, frozen=True, kw_only=True):
    """How an event was received: what orders its news among other news."""

    event_id: str
    sequence: int
    received_at: datetime
    body_sha256: str
    #: A body seen before, come again: it may take access away, and never gives it.
    repeat: bool = False
    #: A body that was kept before for its subject, under whatever type: it reopens nothing.
    seen_before: bool = False
    #: The vendor has no clock: the order is ours of receipt.
    by_receipt: bool = False
    #: Its place, where that is neither the vendor's time nor that of its own receipt.
    order: int | None = None
    #: It comes after everything that was received up to that place.
    closes: bool = False


class Reading(Struct, frozen=True, kw_only=True):
    """The news of an event, and how far it counts. `interpret` creates it once; every rule uses it."""

    occasion: Occasion
    news: News | Unreadable
    #: What counts of the news: an approval in doubt is `needs_review`. None: it moves nothing.
    says: Says | None
    #: The doubts about an approval, in words.
    doubts: tuple[str, ...] = ()
    #: The usable time of the vendor's clock. None: it has no clock, or that says nothing usable.
    at: datetime | None = None
    #: The vendor's clock says nothing usable.
    time_unknown: bool = False
    #: The applicants that the event names.
    references: tuple[str, ...]
    #: The place among the vendor's news: microseconds of the vendor's clock (of ours if that says nothing usable), or the order of receipt.
    order: int
    #: What decides between two at the same place: the greater wins.
    rank: int


class EventReading(Reading, frozen=True, kw_only=True):
    """The reading of a claimed event."""

    event: InboxEvent
