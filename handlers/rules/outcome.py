"""The outcome of an event, after the decision, and the mentions that are recorded of it. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, EventReading, Judgement, Says, Step, Unreadable
from handlers.rules.transitions import Decision
from store.applicants.mentions import Mention
from store.inbox.settling import Settlement
from store.operations import delivery_counts
from store.text.states import Outcome

# Of several outcomes for several applicants, the first of these that occurs is the event's.
_STRONGEST = (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.IGNORED)


def settlement(reading: EventReading, decisions: Collection[Decision], *, applied_before: bool) -> Settlement:
    """Return the outcome of an event: the strongest of what it did to the applicants that it names."""
    news, sequence, named = reading.news, reading.event.sequence, reading.references
    reference = named[0] if len(named) == 1 else None
    if isinstance(news, Unreadable):
        return Settlement(sequence=sequence, status=Outcome.UNREADABLE, reason=news.reason, event_type=news.event_type, reference=reference)
    strongest = min(decisions, key=lambda decision: _STRONGEST.index(decision.outcome), default=None)
    status, reason = (strongest.outcome, strongest.reason) if strongest else (Outcome.IGNORED, news.because)
    if applied_before and status in (Outcome.UNCHANGED, Outcome.SUPERSEDED):
        status, reason = Outcome.APPLIED, f"{reason}; it was applied before, and handled again it changed nothing"
    return Settlement(
        sequence=sequence,
        status=status,
        reason=reason,
        event_type=news.event_type,
        reference=reference,
        occurred_at=news.occurred_at,
    )


def mentions_of(reading: EventReading, decisions: Collection[Decision]) -> Iterable[Mention]:
    """Return what an event said of each applicant that it names, even of those that it did not move."""
    decided = {decision.applicant.reference: decision for decision in decisions}
    event, unreadable = reading.event, isinstance(reading.news, Unreadable)
    words, meaning = _words(reading), described(reading.says)
    for reference in reading.references:
        decision = decided.get(reference)
        yield Mention(
            vendor=event.vendor,
            environment=event.environment,
            reference=reference,
            event_sequence=event.sequence,
            place=reading.order,
            rank=reading.rank,
            said=words,
            meant=meaning,
            outcome=decision.outcome if decision else Outcome.UNREADABLE if unreadable else Outcome.IGNORED,
            why=decision.reason if decision else words,
            superseded_by=decision.superseded_by if decision else None,
        )


def noticed_in(batch: Iterable[EventReading]) -> list[tuple[str, str, str]]:
    """Return what is counted of a batch for somebody to look at: vendor, environment and word of each event that is noticed."""
    return [(one.event.vendor, one.event.environment, word) for one in batch if (word := noticed(one))]


def noticed(reading: EventReading) -> str | None:
    """Return under which word an event is counted for somebody to look at: an approval that is not understood, or an unknown type; None
    for any other, and for one that is handled again."""
    if reading.event.replayed or isinstance(reading.news, Unreadable):
        return None
    if reading.news.is_unknown_type:
        return delivery_counts.unknown_type(reading.news.event_type)
    return delivery_counts.NOT_UNDERSTOOD if isinstance(reading.says, Step) and reading.says.not_understood else None


def _words(reading: EventReading) -> str:
    """Return what an event said, in the vendor's words."""
    if isinstance(reading.news, Unreadable):
        return reading.news.reason
    reasons = reading.news.says.reasons if isinstance(reading.news.says, Step) else ()
    return reading.news.because + (f" ({', '.join(reasons)})" if reasons else "")


def described(says: Says | None) -> str:
    """Return what news was taken to mean, in our words."""
    match says:
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
        case Judgement(status=status, decided=decided):
            return f"a person's decision{', withdrawn' if decided.withdrawn_by else ''}: {status}"
