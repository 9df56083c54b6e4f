"""Registers: the newest news of each kind about an applicant. Nothing here does I/O.

If two events write one register, the greater stamp wins. So the order in which events are merged does not matter: the registers of an
applicant depend on what was said, not on when it was handled.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, News, Reading, Says, Step
from store.applicants.table import NOTHING_CHECKED, Applicant
from store.inbox.internal_events import DecisionBody
from store.system import clock
from store.text.states import Flag, Status

#: The last decision of a person; and the last that needs a second operator, until that operator confirms it.
JUDGEMENT, PROPOSAL = "judgement", "proposal"

#: One register for each hit that an import named: no other import clears it.
IMPORTED_HIT = "imported:"

# At the same instant, the later in this list wins.
_RANKS = [
    Status.CREATED, Status.IN_REVIEW, Status.APPROVED, "restarted", Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.CANCELLED,
    Status.SESSION_EXPIRED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW, Status.REJECTED, Status.DELETED,
]  # fmt: skip

RANK: dict[str, int] = {status: rank for rank, status in enumerate(_RANKS)}

#: What is added to the rank of news that comes after all else that was received up to its place.
AFTER_ALL = 100


class Entry(NamedTuple):
    """The content of a register: its stamp (order, rank, tie), its event, and its values."""

    order: int
    rank: int
    tie: str
    event_id: str
    value: Any

    @property
    def stamp(self) -> tuple[int, int, str, str]:
        """Return what decides between two writers of one register. The event's id breaks every tie, even of two equal bodies."""
        return self.order, self.rank, self.tie, self.event_id

    def says_the_same_as(self, other: Entry) -> bool:
        """Return whether another event said the same, at the same instant, in the same words."""
        return self.stamp[:3] == other.stamp[:3]


Registers = dict[str, Entry]

#: What news writes: for each register the value, and what decides at the same instant.
Values = dict[str, tuple[Any, int]]


def apply_news(registers: Registers, reading: Reading) -> Registers:
    """Return the registers after one more event."""
    return merge(registers, writes(reading))


def merge(registers: Registers, written: Registers) -> Registers:
    """Return the registers after some entries were written: in each register the greater stamp wins."""
    merged = dict(registers)
    for name, entry in written.items():
        held = merged.get(name)
        if held is None or entry.stamp > held.stamp:
            merged[name] = entry
    return merged


def registers_of(applicant: Applicant) -> Registers:
    return {name: Entry(*entry) for name, entry in applicant.registers.items()}


def writes(reading: Reading) -> Registers:
    """Return the registers that news writes, each with its stamp."""
    values = _values(reading.says, reading)
    if not values:
        return {}
    order, occasion = reading.order, reading.occasion
    after, tie, event_id = AFTER_ALL if occasion.closes else 0, occasion.body_sha256, occasion.event_id
    written = {name: Entry(order, rank + after, tie, event_id, value) for name, (value, rank) in values.items()}
    return written | _beside(reading)


def _beside(reading: Reading) -> Registers:
    """Return what every moving event writes beside its own news: the user, the vendor's time, and which event was the first."""
    order, occasion, news = reading.order, reading.occasion, reading.news
    assert isinstance(news, News)
    tie, event_id = occasion.body_sha256, occasion.event_id
    written: Registers = {}
    if news.external_user_id is not None and not occasion.repeat:
        written["external_user_id"] = Entry(order, 0, tie, event_id, news.external_user_id)
    if reading.at and not isinstance(news.says, Judgement):
        # What was known before tells a time, too; any that the vendor itself told goes before it.
        written["as_of"] = Entry(order, 0, "", event_id, clock.microseconds(reading.at))
    for hit in news.imported_hits:
        written[IMPORTED_HIT + hit] = Entry(order, 0, tie, event_id, True)
    written["first"] = Entry(-occasion.sequence, 0, "", event_id, occasion.sequence)
    return written


# what each kind of news writes --------------------------------------------------------------------------------


def _values(says: Says | None, reading: Reading) -> Values:
    """Return what news writes. A repeat, or a time that we invented, cannot clear an override or restore an approval."""
    uncovers = not reading.occasion.repeat and not reading.time_unknown
    match says:
        case Step():
            return _of_step(says, reading)
        case Deletion():
            return _of_deletion(says)
        case Activity(active=active):
            return {"deactivated": (not active, int(not active))} if uncovers or not active else {}
        case Alert(monitoring=monitoring, raised=raised):
            return {f"alert:{monitoring}": (raised, int(raised))} if uncovers or raised else {}
        case DocumentNotice(expired=expired):
            return {"document_expired" if expired else "document_expiring": (True, 1)}
        case Archived():
            return {"archived": (True, 1)}
        case Judgement():
            return _of_judgement(says.status, says.decided)
        case None:
            return {}


def _of_step(step: Step, reading: Reading) -> Values:
    repeat, rank = reading.occasion.repeat, reading.rank
    flags = {Flag.REPEATED_BODY: repeat, Flag.TIME_UNKNOWN: reading.time_unknown, Flag.NOT_UNDERSTOOD: step.not_understood}
    mark = {"imported": True} if step.imported else {}
    shown = shown_of(step) | mark | {"flags": [flag for flag, holds in flags.items() if holds]}
    values: Values = {"final" if step.binding else "open": (shown, rank)}
    if step.verdict:
        verdict = {"status": step.status, "level": step.level, "as_of": clock.rfc3339(reading.at)}
        values["decision"] = {"verdict": verdict, "hits": list(step.hits)} | mark, rank
    if step.verdict and step.status == Status.APPROVED:
        values["ever_approved"] = True, 0
    if step.document_expires_on is not None:
        values["document_expires_on"] = step.document_expires_on, rank
    if step.reopens and not (repeat or reading.occasion.seen_before):
        values["reopened"] = True, rank
    if step.wipes:
        values["wiped"] = True, rank
    lifted = () if repeat else ("erased", "document_expired", "document_expiring", "archived") if step.verdict else ("erased",)
    return values | dict.fromkeys(lifted, (False, 0))


def _of_deletion(deletion: Deletion) -> Values:
    rank = RANK[Status.DELETED]
    base = Step(status=Status.CREATED, vendor_status=deletion.vendor_status, final=deletion.final)
    return {
        "erased": (True, rank),
        "open": (shown_of(base) | {"flags": []}, rank),
        "reopened": (True, rank),
        "wiped": (True, rank),
        "document_expires_on": (None, rank),
    }


def _of_judgement(status: Status, decided: DecisionBody) -> Values:
    """Return the entry of a decision. A confirmation and a withdrawal take the decision's place in the order: what is newer than the
    decision overrides all three. Until it is confirmed, a proposal leaves the decision before it in force."""
    kept = {
        "status": status, "by": decided.by, "confirmed_by": decided.confirmed_by, "reason": decided.reason,
        "at": clock.rfc3339(decided.at), "seen": list(decided.seen), "needs_two": decided.needs_two,
    }  # fmt: skip
    said_since = {"confirmation": decided.confirmation, "withdrawn_by": decided.withdrawn_by, "withdrawal": decided.withdrawal}
    kept |= {name: value for name, value in said_since.items() if value is not None}
    values: Values = {PROPOSAL if _is_proposal(status, decided) else JUDGEMENT: (kept, _stage(decided))}
    if decided.withdrawn_by is None and status == Status.APPROVED and (decided.confirmed_by or not (decided.against or decided.needs_two)):
        values["ever_approved"] = True, 0
    return values


def _is_proposal(status: Status, decided: DecisionBody) -> bool:
    """Return whether a decision needs a second operator, and has none, or was withdrawn."""
    needs_two = decided.needs_two or (status == Status.APPROVED and bool(decided.against))
    return decided.confirmed_by is None and (needs_two or decided.withdrawn_by is not None)


def _stage(decided: DecisionBody) -> int:
    """Return what wins at one place: a confirmation over a withdrawal, which wins over the decision itself."""
    return 2 if decided.confirmed_by is not None else int(decided.withdrawn_by is not None)


def shown_of(step: Step) -> dict[str, Any]:
    """Return what a register keeps of a step: what is shown of it."""
    return {
        "status": step.status, "final": step.final, "provisional": step.provisional, "vendor_status": step.vendor_status,
        "may_retry": step.may_retry, "reasons": list(step.reasons), "hits": list(step.hits), "checks": step.checks or NOTHING_CHECKED,
        "user_message": step.user_message, "level": step.level,
    }  # fmt: skip
