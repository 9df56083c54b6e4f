"""The rules: which news moves an applicant, and where to. Nothing here does I/O.

News is merged into the applicant's registers (`registers`), and the projection follows from them (`projection`). This module compares
before and after: what changed, what that does to an approval, and the outcome of the event.

File 4 of 4 on a webhook's path; next: `process` writes the decision, and `handlers/notify` reports it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import Struct, structs

from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, Reading, Says, Step, Unreadable
from handlers.rules.projection import base_entry, is_known, show
from handlers.rules.registers import JUDGEMENT, PROPOSAL, Registers, apply_news, registers_of, writes
from handlers.rules.reversals import reversal
from store.applicants.table import Applicant
from store.system.clock import EPOCH
from store.text.states import Outcome, Reversal, Stand

#: A difference in one of these is a change.
TOLD = (
    "external_user_id", "status", "final", "provisional", "vendor_status", "may_retry", "reasons", "hits", "flags", "checks",
    "user_message", "level", "last_verdict", "decision", "problem_documents", "document_expires_on",
)  # fmt: skip


#: Nothing is said of this applicant.
NOBODY = Applicant(vendor="", environment="", reference="", updated_at=EPOCH)


class Decision(Struct, frozen=True, kw_only=True):
    """What one event does to one applicant."""

    applicant: Applicant
    outcome: Outcome
    reason: str
    #: Which fields changed; empty if none did.
    changed: list[str]
    reversal: Reversal | None
    #: The event that had already said something newer.
    superseded_by: str | None


def decide(applicant: Applicant, reading: Reading, *, now: datetime) -> Decision:
    """Return what an event does to an applicant: the row to write, what changed, and why."""
    return _decision(applicant, apply_news(registers_of(applicant), reading), reading, now=now)


def derive(applicant: Applicant, heard: Iterable[Reading], replayed: Reading, *, now: datetime) -> Decision:
    """Return the applicant as all kept news says, for one event that is handled again."""
    registers: Registers = {}
    for reading in heard:
        registers = apply_news(registers, reading)
    return _decision(applicant, registers, replayed, now=now)


def _decision(applicant: Applicant, registers: Registers, reading: Reading, *, now: datetime) -> Decision:
    moved = show(applicant, registers)
    changed = changes_shown(applicant, moved, registers)
    if changed or (applicant.version and beside(moved) != beside(applicant)):
        moved = structs.replace(as_changed(applicant, moved, changed, now=now), last_event_id=reading.occasion.event_id)
    ending = _ending(reading, moved, registers, bool(changed))
    return Decision(applicant=moved, changed=changed, reversal=reversal(applicant, moved), **ending._asdict())


# changes ------------------------------------------------------------------------------------------------------


def changes_shown(before: Applicant, after: Applicant, registers: Registers) -> list[str]:
    """Return which fields changed, if the applicant is visible. For an unknown applicant the status has always changed."""
    if not is_known(after, registers):
        return []
    if not before.version:
        before = NOBODY
    return [name for name in TOLD if (name == "status" and not before.version) or _described(before, name) != _described(after, name)]


def as_changed(before: Applicant, after: Applicant, changed: list[str], *, now: datetime) -> Applicant:
    """Return the applicant after a move: with its time, and the next version if anything changed."""
    since = now if "status" in changed else before.status_since
    return structs.replace(after, updated_at=now, version=before.version + bool(changed), status_since=since)


def beside(applicant: Applicant) -> tuple[object, ...]:
    """Return what is shown and may differ without being a change."""
    return applicant.as_of, applicant.ever_approved, applicant.last_verdict


def _described(applicant: Applicant, name: str) -> Any:
    """Return a field as far as a difference in it counts as a change: a later `as_of` does not."""
    value = getattr(applicant, name)
    return {key: part for key, part in value.items() if key != "as_of"} if name == "last_verdict" and value else value


# outcomes -----------------------------------------------------------------------------------------------------


class Ending(NamedTuple):
    """The outcome of an event for an applicant, the reason, and the newer event that superseded it."""

    outcome: Outcome
    reason: str
    superseded_by: str | None = None


def _ending(reading: Reading, after: Applicant, registers: Registers, changed: bool) -> Ending:
    """Return the outcome of the event for this applicant, and the reason."""
    if isinstance(reading.news, Unreadable):
        return Ending(Outcome.UNREADABLE, reading.news.reason)
    if reading.says is None:
        return Ending(Outcome.IGNORED, reading.news.because)
    because = reading.news.because + (f", but {' and '.join(reading.doubts)}" if reading.doubts else "")
    if changed:
        waits = isinstance(reading.says, Judgement) and after.decision and after.decision["state"] == Stand.WAITS
        as_yet = " until a second operator confirms it" if waits else ""
        return Ending(Outcome.APPLIED, f"{because}: {after.status}{as_yet}")
    written, visible = writes(reading), _visible(reading.says, registers)
    if any(name in written and registers[name].says_the_same_as(written[name]) for name in visible):
        return Ending(Outcome.UNCHANGED, f"{because}: {after.status}, as was known")
    if not written:
        return Ending(Outcome.UNCHANGED, f"{because}, but {'a repeat' if reading.occasion.repeat else 'without its time it'} lifts nothing")
    newer = next((registers[name].event_id for name in visible), None)
    return Ending(Outcome.SUPERSEDED, f"{because}, but newer news is known" + (f" from event {newer}" if newer else ""), newer)


def _visible(says: Says, registers: Registers) -> list[str]:
    """Return those registers of this kind of news that are shown."""
    match says:
        case Step():
            base = base_entry(registers)
            shown = "final" if base is not None and base is registers.get("final") else "open"
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
        case Judgement():
            held = [name for name in (JUDGEMENT, PROPOSAL) if name in registers]
            wanted = sorted(held, key=lambda name: registers[name].stamp)[-1:]
    return [name for name in wanted if name in registers]
