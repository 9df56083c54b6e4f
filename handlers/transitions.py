"""The rules: which news moves an applicant, and where to. Nothing here does I/O.

Each kind of news writes registers; of two that write the same register, the greater stamp wins. So merging news one
by one, in any order, equals merging all of it: an applicant's state is a function of what was said, not of when we
handled it. What is shown is a pure function of the registers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from handlers.news import Activity, Alert, Archived, Deletion, DocumentNotice, News, Says, Step, Unreadable
from store import clock
from store.applicants import NOTHING_CHECKED, Applicant
from store.states import HITS, Flag, Outcome, Reversal, Status

#: A vendor's time that is further ahead of ours cannot be right.
AHEAD_MAX = timedelta(days=1)

# At the same instant, the later in this list wins.
_RANKS = [
    Status.CREATED, Status.IN_REVIEW, Status.APPROVED, "restarted", Status.ON_HOLD, Status.AWAITING_APPLICANT, Status.CANCELLED,
    Status.SESSION_EXPIRED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW, Status.REJECTED, Status.DELETED,
]  # fmt: skip
RANK: dict[str, int] = {status: rank for rank, status in enumerate(_RANKS)}

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

#: A difference in one of these is a change.
TOLD = (
    "external_user_id", "status", "final", "provisional", "vendor_status", "may_retry", "reasons", "hits", "flags", "checks",
    "user_message", "level", "last_verdict",
)  # fmt: skip


class Entry(NamedTuple):
    """What a register holds: its stamp (order, rank, tie), the event that wrote it, and what it wrote."""

    order: int
    rank: int
    tie: str
    event_id: str
    value: Any

    @property
    def stamp(self) -> tuple[int, int, str]:
        return self.order, self.rank, self.tie


Registers = dict[str, Entry]

#: What never covers a rejection.
NEVER_OVER_A_REJECTION = (Status.NEEDS_REVIEW, Status.DOCUMENT_EXPIRED)


class Ground(NamedTuple):
    """One reason why an applicant stands where it stands: the status it stands for, what it is, and the event that said so."""

    status: Status
    name: str
    event_id: str | None


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """How an event came to us: what places its news among the others'."""

    event_id: str
    sequence: int
    received_at: datetime
    body_sha256: str
    #: A body seen before, come again: it may take access away, and never gives it.
    repeat: bool = False
    #: The vendor has no clock: the order is ours of receipt.
    by_receipt: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one event does to one applicant."""

    applicant: Applicant
    outcome: Outcome
    reason: str
    #: Which fields changed; empty if none did.
    changed: list[str]
    reversal: Reversal | None
    #: The event that had already said something newer.
    superseded_by: str | None


def decide(applicant: Applicant, news: News, occasion: Occasion, *, now: datetime) -> Decision:
    """What news does to an applicant: the row to write, what changed, and why."""
    registers = hear(registers_of(applicant), news, occasion)
    return _decision(applicant, registers, news, occasion, now=now)


def derive(
    applicant: Applicant, heard: Iterable[tuple[News, Occasion]], replayed: Occasion, news: News | Unreadable, *, now: datetime
) -> Decision:
    """The applicant as all the news says that is kept of it, for the sake of one event that is handled again."""
    registers: Registers = {}
    for said, occasion in heard:
        registers = hear(registers, said, occasion)
    return _decision(applicant, registers, news, replayed, now=now)


def hear(registers: Registers, news: News, occasion: Occasion) -> Registers:
    """The registers after one more event."""
    return merge(registers, writes(soberly(news, occasion), news, occasion))


def _decision(applicant: Applicant, registers: Registers, news: News | Unreadable, occasion: Occasion, *, now: datetime) -> Decision:
    moved = show(applicant, registers)
    changed = changes_shown(applicant, moved, registers)
    if changed or (applicant.version and beside(moved) != beside(applicant)):
        moved = replace(as_changed(applicant, moved, changed, now=now), last_event_id=occasion.event_id)
    ending = _outcome(news, occasion, moved, registers, bool(changed))
    return Decision(applicant=moved, changed=changed, reversal=reversal(applicant, moved), **ending._asdict())


def as_changed(before: Applicant, after: Applicant, changed: list[str], *, now: datetime) -> Applicant:
    """The applicant after a move: with its time, and a version more if anything changed."""
    return replace(after, updated_at=now, version=before.version + bool(changed))


def changes_shown(before: Applicant, after: Applicant, registers: Registers) -> list[str]:
    """Which fields changed, if there is anything to show."""
    return changes(before, after) if _known(after, registers) else []


def changes(before: Applicant, after: Applicant) -> list[str]:
    """Which fields changed. Of an applicant that nobody knew, the status did, whatever it is."""
    if not before.version:
        before = Applicant(**before.key._asdict(), updated_at=before.updated_at)
    return [name for name in TOLD if _told(before, name) != _told(after, name) or (name == "status" and not before.version)]


def soberly(news: News, occasion: Occasion) -> Says | None:
    """What news says, in doubt read restrictively: a doubtful approval is for a person to look at."""
    says = news.says
    if isinstance(says, Step) and _doubts(says, news, occasion):
        if says.status == Status.APPROVED:
            return replace(says, status=Status.NEEDS_REVIEW)
        if says.provisional == Status.APPROVED:
            return replace(says, provisional=Status.NEEDS_REVIEW)
    return says


def _doubts(step: Step, news: News, occasion: Occasion) -> list[str]:
    """Why an approval would be none, in words."""
    doubts = []
    if step.hits:
        doubts.append(f"it names a hit ({', '.join(step.hits)})")
    if step.failed_screenings:
        doubts.append(f"a screening failed ({', '.join(step.failed_screenings)})")
    if occasion.repeat:
        doubts.append("the body repeats an earlier one")
    if _time_unknown(news, occasion):
        doubts.append("its time is unknown")
    return doubts


# registers ----------------------------------------------------------------------------------------------------


def writes(says: Says | None, news: News, occasion: Occasion) -> Registers:
    """The registers that news writes, each with its stamp."""
    unknown = _time_unknown(news, occasion)
    order = _order(news, occasion)
    # Nothing is lifted by a repeat, nor may a time that we made up ourselves bring an approval back to light.
    lifts = not occasion.repeat
    uncovers = lifts and not unknown
    written: Registers = {}

    def write(register: str, value: Any, rank: int = 0) -> None:
        written[register] = Entry(order, rank, occasion.body_sha256, occasion.event_id, value)

    match says:
        case Step():
            rank = RANK["restarted" if says.restarts else says.status]
            flags = [flag for flag, holds in ((Flag.REPEATED_BODY, occasion.repeat), (Flag.TIME_UNKNOWN, unknown)) if holds]
            write("final" if says.binding else "open", _shown(says) | {"flags": flags}, rank)
            if says.verdict:
                as_of = None if unknown or occasion.by_receipt else clock.rfc3339(news.occurred_at)
                verdict = {"status": says.status, "level": says.level, "as_of": as_of}
                write("decision", {"verdict": verdict, "hits": list(says.hits)}, rank)
            if says.verdict and says.status == Status.APPROVED:
                write("ever_approved", True)
            if says.reopens:
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
            write("open", _shown(beneath) | {"flags": []}, rank)
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
    if written:
        _write_beside(written, news, occasion, order)
    return written


def _write_beside(written: Registers, news: News, occasion: Occasion, order: int) -> None:
    """What every moving event writes beside its own news: whose applicant it is, how far the vendor's clock came, who was first."""
    event_id = occasion.event_id
    if news.external_user_id is not None and not occasion.repeat:
        written["external_user_id"] = Entry(order, 0, occasion.body_sha256, event_id, news.external_user_id)
    if not occasion.by_receipt and not _time_unknown(news, occasion):
        moment = _microseconds(news.occurred_at)
        written["as_of"] = Entry(moment, 0, "", event_id, moment)
    written["first"] = Entry(-occasion.sequence, 0, "", event_id, occasion.sequence)


def place(news: News | Unreadable, occasion: Occasion) -> tuple[int, int]:
    """Where an event belongs among its vendor's: by the vendor's clock, or by our order of receipt; and its rank at one instant."""
    if isinstance(news, Unreadable):
        return occasion.sequence if occasion.by_receipt else _microseconds(occasion.received_at), len(RANK)
    says = soberly(news, occasion)
    rank = RANK["restarted" if says.restarts else says.status] if isinstance(says, Step) else len(RANK)
    return _order(news, occasion), rank


def words(news: News) -> str:
    """What news said, in the vendor's words."""
    reasons = news.says.reasons if isinstance(news.says, Step) else ()
    return news.because + (f" ({', '.join(reasons)})" if reasons else "")


def meaning(news: News | Unreadable, occasion: Occasion) -> str:
    """What news was taken to mean, in our words."""
    if isinstance(news, Unreadable):
        return "nothing"
    match soberly(news, occasion):
        case None:
            return "nothing"
        case Step() as step:
            kind = "final verdict" if step.binding else "verdict" if step.verdict else "progress"
            return f"{kind}: {step.status}" + (f", provisionally {step.provisional}" if step.provisional else "")
        case Deletion():
            return "deletion"
        case Activity(active=active):
            return "activation" if active else "deactivation"
        case Alert(monitoring=monitoring, raised=raised):
            return f"monitoring alert {'raised' if raised else 'cleared'}" + (f" ({monitoring})" if monitoring else "")
        case DocumentNotice(expired=expired):
            return "document expired" if expired else "document runs out soon"
        case Archived():
            return "archived"


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


# what is shown ------------------------------------------------------------------------------------------------


def show(applicant: Applicant, registers: Registers) -> Applicant:
    """The applicant as its registers say."""
    beneath = _beneath(registers)
    step = beneath.value if beneath else _shown(Step(status=Status.CREATED)) | {"flags": []}
    decision = registers.get("decision")
    alerts, grounds = _alerts(registers), _grounds(registers)
    hits = {*(decision.value["hits"] if decision else ()), *(("aml",) if alerts else ())}
    as_of = registers.get("as_of")
    first = registers.get("first")
    external = registers.get("external_user_id")
    return replace(
        applicant,
        external_user_id=applicant.linked_user_id or (external and external.value),
        status=grounds[0].status,
        final=step["final"],
        provisional=step["provisional"] and Status(step["provisional"]),
        vendor_status=step["vendor_status"],
        may_retry=step["may_retry"],
        reasons=list(step["reasons"]),
        hits=[hit for hit in HITS if hit in hits],
        flags=_flags(registers, alerts, step["flags"]),
        checks=dict(step["checks"]),
        user_message=None if hits or step["hits"] else step["user_message"],
        level=step["level"],
        last_verdict=decision.value["verdict"] if decision and not _newer(registers.get("wiped"), decision) else None,
        ever_approved=_holds(registers, "ever_approved"),
        as_of=as_of and _moment(as_of.value),
        first_sequence=first and first.value,
        grounds=[ground._asdict() for ground in grounds],
        registers={name: list(entry) for name, entry in registers.items()},
    )


def reversal(before: Applicant, after: Applicant) -> Reversal | None:
    """What a change of status does to an approval."""
    verdict = before.last_verdict and before.last_verdict["status"]
    if before.status == after.status and before.version:
        return None
    if after.status == Status.APPROVED:
        return Reversal.REINSTATED if verdict in (Status.APPROVED, Status.REJECTED) else None
    return FALLEN[after.status] if verdict == Status.APPROVED else None


def _beneath(registers: Registers) -> Entry | None:
    """The verdict or progress that is shown, or would be if nothing lay over it: a binding one unless the case was reopened since."""
    final, reopened = registers.get("final"), registers.get("reopened")
    return final if final and not _newer(reopened, final) else registers.get("open")


def _grounds(registers: Registers) -> list[Ground]:
    """Why it stands where it stands: what lies over the verdict or progress, the first that covers deciding; then that itself."""
    beneath = _beneath(registers)
    beneath_status = Status(beneath.value["status"]) if beneath else Status.CREATED
    lying = [Ground(status, name, entry.event_id) for status, name, entries in _overlays(registers) for entry in entries]
    covering = [ground for ground in lying if ground.status not in NEVER_OVER_A_REJECTION or beneath_status != Status.REJECTED]
    idle = [ground for ground in lying if ground not in covering]
    name = "the final verdict" if beneath and beneath is registers.get("final") else "the newest verdict or progress"
    return [*covering, Ground(beneath_status, name, beneath.event_id if beneath else None), *idle]


def _overlays(registers: Registers) -> Iterable[tuple[Status, str, list[Entry]]]:
    """What may lie over a verdict, the strongest first, and the news that put it there."""

    def holding(name: str) -> list[Entry]:
        return [registers[name]] if _holds(registers, name) else []

    yield Status.DELETED, "a deletion", holding("erased")
    yield Status.DEACTIVATED, "a deactivation", holding("deactivated")
    yield Status.NEEDS_REVIEW, "a monitoring alert", _alerts(registers)
    yield Status.DOCUMENT_EXPIRED, "an expired document", holding("document_expired")


def _flags(registers: Registers, alerts: list[Entry], of_the_step: list[str]) -> list[str]:
    expired = _holds(registers, "document_expired")
    holds = {
        Flag.DEACTIVATED: _holds(registers, "deactivated"),
        Flag.DOCUMENT_EXPIRED: expired,
        Flag.DOCUMENT_EXPIRING: _holds(registers, "document_expiring") and not expired,
        Flag.MONITORING_ALERT: bool(alerts),
        Flag.ARCHIVED: _holds(registers, "archived"),
    }
    return [flag.value for flag in Flag if holds.get(flag) or flag in of_the_step]


def _known(applicant: Applicant, registers: Registers) -> bool:
    """Whether there is anything to show. What only lifts (an activation, a clearing) says nothing of an unknown applicant."""
    covered = _holds(registers, "erased") or _holds(registers, "deactivated")
    return bool(applicant.version or _beneath(registers) or covered or applicant.flags)


def _alerts(registers: Registers) -> list[Entry]:
    return [entry for name, entry in registers.items() if name.startswith("alert:") and entry.value]


def _holds(registers: Registers, name: str) -> bool:
    entry = registers.get(name)
    return bool(entry and entry.value)


def _newer(entry: Entry | None, other: Entry) -> bool:
    return entry is not None and entry.stamp > other.stamp


def _shown(step: Step) -> dict[str, Any]:
    """What a register keeps of a step: what is shown of it."""
    return {
        "status": step.status, "final": step.final, "provisional": step.provisional, "vendor_status": step.vendor_status,
        "may_retry": step.may_retry, "reasons": list(step.reasons), "hits": list(step.hits), "checks": step.checks or NOTHING_CHECKED,
        "user_message": step.user_message, "level": step.level,
    }  # fmt: skip


def _told(applicant: Applicant, name: str) -> Any:
    """A field as far as a difference in it is a change: a moved `as_of` is none."""
    value = getattr(applicant, name)
    return {key: part for key, part in value.items() if key != "as_of"} if name == "last_verdict" and value else value


def beside(applicant: Applicant) -> tuple[object, ...]:
    """What is shown and may differ without being a change."""
    return applicant.as_of, applicant.ever_approved, applicant.last_verdict


# outcomes -----------------------------------------------------------------------------------------------------


def _outcome(news: News | Unreadable, occasion: Occasion, after: Applicant, registers: Registers, changed: bool) -> Ending:
    """How the event ended for this applicant, and why."""
    if isinstance(news, Unreadable):
        return Ending(Outcome.UNREADABLE, news.reason)
    says = soberly(news, occasion)
    if says is None:
        return Ending(Outcome.IGNORED, news.because)
    because = _because(says, news, occasion)
    if changed:
        return Ending(Outcome.APPLIED, f"{because}: {after.status}")
    written = writes(says, news, occasion)
    if any(name in written and registers[name].stamp == written[name].stamp for name in _visible(says, registers)):
        return Ending(Outcome.UNCHANGED, f"{because}: {after.status}, as was known")
    if not written:
        return Ending(Outcome.UNCHANGED, f"{because}, but {'a repeat' if occasion.repeat else 'without its time it'} lifts nothing")
    newer = next((registers[name].event_id for name in _visible(says, registers)), None)
    return Ending(Outcome.SUPERSEDED, f"{because}, but newer news is known" + (f" from event {newer}" if newer else ""), newer)


class Ending(NamedTuple):
    """How an event ended for an applicant, why, and which newer event stood in its way."""

    outcome: Outcome
    reason: str
    superseded_by: str | None = None


def _because(says: Says, news: News, occasion: Occasion) -> str:
    doubts = _doubts(says, news, occasion) if isinstance(says, Step) and says != news.says else []
    return news.because + (f", but {' and '.join(doubts)}" if doubts else "")


def _visible(says: Says, registers: Registers) -> list[str]:
    """The registers, of those that this kind of news writes, that are shown."""
    match says:
        case Step():
            beneath = _beneath(registers)
            shown = "final" if beneath is not None and beneath is registers.get("final") else "open"
            wanted = [shown, *(["decision"] if says.verdict else [])]
        case Deletion():
            wanted = ["erased"]
        case Activity():
            wanted = ["deactivated"]
        case Alert(monitoring=monitoring):
            wanted = [f"alert:{monitoring}"]
        case DocumentNotice(expired=expired):
            wanted = ["document_expired" if expired else "document_expiring"]
        case Archived():
            wanted = ["archived"]
    return [name for name in wanted if name in registers]


# time ---------------------------------------------------------------------------------------------------------


def _time_unknown(news: News, occasion: Occasion) -> bool:
    """Whether the vendor's clock says nothing usable: missing, unreadable, or more than a day ahead of ours."""
    if occasion.by_receipt:
        return False
    return news.occurred_at is None or news.occurred_at > occasion.received_at + AHEAD_MAX


def _order(news: News, occasion: Occasion) -> int:
    """The first part of a stamp: microseconds of the vendor's clock (of ours if its says nothing usable), or the order of receipt."""
    if occasion.by_receipt:
        return occasion.sequence
    return _microseconds(occasion.received_at if _time_unknown(news, occasion) else news.occurred_at)


def _microseconds(moment: datetime | None) -> int:
    assert moment is not None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
