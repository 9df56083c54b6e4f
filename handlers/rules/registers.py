"""What news leaves behind: registers, of which each kind of news writes its own. Nothing here does I/O.

Of two that write the same register, the greater stamp wins. So merging news one by one, in any order, equals merging all
of it: what an applicant's registers hold is a function of what was said, not of when we handled it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec import Struct, structs

from handlers.rules.kept import imported, judged, shown
from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, News, Says, Step, Unreadable
from store.applicants.table import Applicant
from store.states import Flag, Status
from store.system import clock

#: A vendor's time that is further ahead of ours cannot be right.
AHEAD_MAX = timedelta(days=1)

#: One register for each hit that an import named: no other import clears it.
IMPORTED_HIT = "imported:"

#: How many places that are not understood a reason names.
PLACES_MAX = 5

# At the same instant, the later in this list wins.
_RANKS = [
    Status.CREATED, Status.IN_REVIEW, Status.APPROVED, "restarted", Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.CANCELLED,
    Status.SESSION_EXPIRED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW, Status.REJECTED, Status.DELETED,
]  # fmt: skip

RANK: dict[str, int] = {status: rank for rank, status in enumerate(_RANKS)}

#: What is added to the rank of news that comes after all else that was received up to its place.
AFTER_ALL = 100


class Entry(NamedTuple):
    """What a register holds: its stamp (order, rank, tie), the event that wrote it, and what it wrote."""

    order: int
    rank: int
    tie: str
    event_id: str
    value: Any

    @property
    def stamp(self) -> tuple[int, int, str, str]:
        """What decides between two that write the same register. The event's id ends every tie, also of two with the same body."""
        return self.order, self.rank, self.tie, self.event_id

    def says_the_same_as(self, other: Entry) -> bool:
        """Whether another event said this, at the same instant, in the same words."""
        return self.stamp[:3] == other.stamp[:3]


Registers = dict[str, Entry]


class Occasion(Struct, frozen=True, kw_only=True):
    """How an event came to us: what places its news among the others'."""

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


def hear(registers: Registers, news: News, occasion: Occasion) -> Registers:
    """The registers after one more event."""
    return merge(registers, writes(soberly(news, occasion), news, occasion))


def merge(registers: Registers, written: Registers) -> Registers:
    """The registers after news was written to them: in each the greater stamp wins."""
    merged = dict(registers)
    for name, entry in written.items():
        held = merged.get(name)
        if held is None or entry.stamp > held.stamp:
            merged[name] = entry
    return merged


def registers_of(applicant: Applicant) -> Registers:
    return {name: Entry(*entry) for name, entry in applicant.registers.items()}


def writes(says: Says | None, news: News, occasion: Occasion) -> Registers:
    """The registers that news writes, each with its stamp."""
    unknown = time_unknown(news, occasion)
    order = _order(news, occasion)
    # Nothing is lifted by a repeat, nor may a time that we made up ourselves bring an approval back to light.
    lifts = not occasion.repeat
    uncovers = lifts and not unknown
    after = AFTER_ALL if occasion.closes else 0
    written: Registers = {}

    def write(register: str, value: Any, rank: int = 0) -> None:
        written[register] = Entry(order, rank + after, occasion.body_sha256, occasion.event_id, value)

    match says:
        case Step():
            rank = RANK["restarted" if says.restarts else says.status]
            flags = [
                flag
                for flag, holds in (
                    (Flag.REPEATED_BODY, occasion.repeat),
                    (Flag.TIME_UNKNOWN, unknown),
                    (Flag.NOT_UNDERSTOOD, says.not_understood),
                )
                if holds
            ]
            write("final" if says.binding else "open", shown(says) | {"flags": flags}, rank)
            if says.verdict:
                as_of = None if unknown or occasion.by_receipt else clock.rfc3339(news.occurred_at)
                verdict = {"status": says.status, "level": says.level, "as_of": as_of}
                write("decision", {"verdict": verdict, "hits": list(says.hits)} | imported(says), rank)
            if says.verdict and says.status == Status.APPROVED:
                write("ever_approved", True)
            if says.reopens and not (occasion.repeat or occasion.seen_before):
                write("reopened", True, rank)
            if says.wipes:
                write("wiped", True, rank)
            if lifts:
                write("erased", False)
            if lifts and says.verdict:
                write("document_expired", False)
                write("document_expiring", False)
                write("archived", False)
        case Deletion():
            rank = RANK[Status.DELETED]
            write("erased", True, rank)
            beneath = Step(status=Status.CREATED, vendor_status=says.vendor_status, final=says.final)
            write("open", shown(beneath) | {"flags": []}, rank)
            write("reopened", True, rank)
            write("wiped", True, rank)
        case Activity(active=active):
            if uncovers or not active:
                write("deactivated", not active, rank=int(not active))
        case Alert(monitoring=monitoring, raised=raised):
            if uncovers or raised:
                write(f"alert:{monitoring}", raised, rank=int(raised))
        case DocumentNotice(expired=expired):
            write("document_expired" if expired else "document_expiring", True, rank=1)
        case Archived():
            write("archived", True, rank=1)
        case Judgement(status=status, decided=decided):
            # Who confirms a decision takes its place in the order: what is newer than the decision outvotes both.
            write("judgement", judged(status, decided), rank=int(decided.confirmed_by is not None))
            if status == Status.APPROVED and (decided.confirmed_by or not (decided.against or decided.needs_two)):
                write("ever_approved", True)
    if written:
        _write_beside(written, news, occasion, order)
    return written


def _write_beside(written: Registers, news: News, occasion: Occasion, order: int) -> None:
    """What every moving event writes beside its own news: whose applicant it is, how far the vendor's clock came, who was first."""
    event_id = occasion.event_id
    if news.external_user_id is not None and not occasion.repeat:
        written["external_user_id"] = Entry(order, 0, occasion.body_sha256, event_id, news.external_user_id)
    if not occasion.by_receipt and not isinstance(news.says, Judgement) and not time_unknown(news, occasion):
        moment = _microseconds(news.occurred_at)
        # What was known before tells a time, too; any that the vendor itself told goes before it.
        written["as_of"] = Entry(moment if occasion.order is None else order, 0, "", event_id, moment)
    for hit in news.imported_hits:
        written[IMPORTED_HIT + hit] = Entry(order, 0, occasion.body_sha256, event_id, True)
    written["first"] = Entry(-occasion.sequence, 0, "", event_id, occasion.sequence)


# doubt --------------------------------------------------------------------------------------------------------


def soberly(news: News, occasion: Occasion) -> Says | None:
    """What news says, in doubt read restrictively: a doubtful approval is for a person to look at."""
    says = news.says
    if isinstance(says, Step) and doubts(says, news, occasion):
        if says.status == Status.APPROVED:
            return structs.replace(says, status=Status.NEEDS_REVIEW)
        if says.provisional == Status.APPROVED:
            return structs.replace(says, provisional=Status.NEEDS_REVIEW)
    return says


def doubts(step: Step, news: News, occasion: Occasion) -> list[str]:
    """Why an approval would be none, in words."""
    doubts = []
    if step.hits:
        doubts.append(f"it names a hit ({', '.join(step.hits)})")
    if step.failed_screenings:
        doubts.append(f"a screening failed ({', '.join(step.failed_screenings)})")
    if step.doubtful:
        doubts.append(f"it is in doubt ({', '.join(step.doubtful)})")
    if step.not_understood:
        doubts.append(f"not all of it is understood ({', '.join(step.not_understood[:PLACES_MAX])})")
    if occasion.repeat:
        doubts.append("the body repeats an earlier one")
    if time_unknown(news, occasion):
        doubts.append("its time is unknown")
    return doubts


# time and order -----------------------------------------------------------------------------------------------


def place(news: News | Unreadable, occasion: Occasion) -> tuple[int, int]:
    """Where an event belongs among its vendor's: by the vendor's clock, or by our order of receipt; and its rank at one instant."""
    if isinstance(news, Unreadable):
        return occasion.sequence if occasion.by_receipt else _microseconds(occasion.received_at), len(RANK)
    says = soberly(news, occasion)
    rank = RANK["restarted" if says.restarts else says.status] if isinstance(says, Step) else len(RANK)
    return _order(news, occasion), rank


def time_unknown(news: News, occasion: Occasion) -> bool:
    """Whether the vendor's clock says nothing usable: missing, unreadable, or more than a day ahead of ours."""
    if occasion.by_receipt:
        return False
    return news.occurred_at is None or news.occurred_at > occasion.received_at + AHEAD_MAX


def _order(news: News, occasion: Occasion) -> int:
    """The first part of a stamp: microseconds of the vendor's clock (of ours if its says nothing usable), or the order of receipt."""
    if occasion.order is not None:
        return occasion.order
    if occasion.by_receipt:
        return occasion.sequence
    return _microseconds(occasion.received_at if time_unknown(news, occasion) else news.occurred_at)


def _microseconds(moment: datetime | None) -> int:
    assert moment is not None
    return clock.microseconds(moment)
