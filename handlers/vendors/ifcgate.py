"""What IFCGATE's events mean.

The vendor publishes one sample body (`case.review.completed`, approved) and no list of words. Further words are configured. An
unknown word never approves.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from handlers.config import Settings
from handlers.rules.news import News, Step, Unreadable
from handlers.vendors.base import READ, decode, moment, moves_nothing
from handlers.vendors.strict_schema import a_text, an_object, not_understood
from store.text.names import as_name
from store.text.states import Status

#: The one event that closes a case's review.
COMPLETED = "case.review.completed"

#: The vendor's words. `in_review` and `approved` are published; the rest are the field's usual ones.
STATUSES = {
    "approved": Status.APPROVED,
    "rejected": Status.REJECTED,
    "declined": Status.REJECTED,
    "denied": Status.REJECTED,
    "in_review": Status.IN_REVIEW,
    "submitted": Status.IN_REVIEW,
    "queued": Status.IN_REVIEW,
    "on_hold": Status.ON_HOLD,
    "expired": Status.SESSION_EXPIRED,
    "cancelled": Status.CANCELLED,
    "resubmission_requested": Status.RESUBMISSION_REQUESTED,
    "needs_documents": Status.RESUBMISSION_REQUESTED,
}

#: Where a case that is read is closed.
CLOSED = frozenset({Status.APPROVED, Status.REJECTED})

VERDICTS = frozenset({Status.APPROVED, Status.REJECTED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW})


#: The verdict's keys are all that counts: the vendor documents no screening, and further fields may have any shape.
BODY = an_object({"event": a_text, "status": a_text}, once=("case_id", "workflow", "processed_at"))

#: The same of what the read API answers.
ANSWER = an_object({"status": a_text}, once=("case_id", "workflow", "timeline"))


class IfcgatePayload(msgspec.Struct):
    event: Any = None
    case_id: Any = None
    status: Any = None
    workflow: Any = None
    processed_at: Any = None


def interpret(headers: dict[str, str], body: bytes, settings: Settings) -> News:
    """Return what an IFCGATE event says. Raises Unreadable."""
    event = decode(body, IfcgatePayload)
    event_type, reference = as_name(event.event), as_name(event.case_id)
    if event_type is None:
        raise Unreadable("the body names no event", reference=reference)
    if not event_type.startswith("case."):
        return moves_nothing(event_type, (reference,) if reference else (), known=False)
    if reference is None:
        raise Unreadable("the body names no case_id that can be stored", event_type=event_type)
    word = as_name(event.status)
    status = _status(event_type, word, STATUSES | settings.ifcgate_statuses)
    return News(
        event_type=event_type,
        references=(reference,),
        occurred_at=moment(event.processed_at, zone_needed=True),
        says=_step(event_type, word, status, body, level=as_name(event.workflow)) if status else None,
        because=f"{event_type} {word or 'without a status that can be read'}"
        if status
        else f"{word or 'no status'} in {event_type} moves nothing",
    )


class Case(msgspec.Struct):
    case_id: Any = None
    status: Any = None
    workflow: Any = None
    timeline: Any = None


def interpret_answer(body: bytes, settings: Settings) -> News:
    """Return what `GET /v1/cases/{id}` says of a case, at the time of its last timeline entry. Raises Unreadable."""
    case = decode(body, Case)
    reference, word = as_name(case.case_id), as_name(case.status)
    if reference is None:
        raise Unreadable("the answer names no case_id that can be stored", event_type=READ)
    status = (STATUSES | settings.ifcgate_statuses).get(word or "")
    last = _last_at(case.timeline)
    if status is None or last is None:
        missing = "has no timeline entry with a time" if status else f"says {word or 'no status that can be read'}, which is not known"
        raise Unreadable(f"the answer {missing}", event_type=READ, reference=reference)
    step = Step(
        status=status,
        verdict=status in VERDICTS,
        final=status in CLOSED,
        vendor_status=word,
        level=as_name(case.workflow),
        not_understood=not_understood(body, ANSWER, {}) if status == Status.APPROVED else (),
    )
    return News(event_type=READ, references=(reference,), occurred_at=last, says=step, because=f"asked, IFCGATE says {word}")


def _last_at(timeline: object) -> datetime | None:
    """Return the time of the last entry. An entry without a readable time makes the whole timeline doubtful."""
    entries = timeline if isinstance(timeline, list) else []
    times = [moment(entry.get("at"), zone_needed=True) if isinstance(entry, dict) else None for entry in entries]
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _status(event_type: str, word: str | None, statuses: dict[str, Status]) -> Status | None:
    """Return the status for a word; None if the word changes nothing. Only a completed review approves, or has a doubtful word."""
    status = statuses.get(word or "")
    if event_type == COMPLETED:
        return status or Status.NEEDS_REVIEW
    return None if status == Status.APPROVED else status


def _step(event_type: str, word: str | None, status: Status, body: bytes, *, level: str | None) -> Step:
    return Step(
        status=status,
        verdict=status in VERDICTS,
        final=event_type == COMPLETED,
        vendor_status=word,
        level=level,
        not_understood=not_understood(body, BODY, {}) if status == Status.APPROVED else (),
    )
