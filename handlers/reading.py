"""Reading an event: what it says, whom it names, and what is written down of it once it was decided upon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from handlers import config, stated
from handlers.rules.news import Activity, Alert, Archived, Deletion, DocumentNotice, Judgement, News, Step, Unreadable
from handlers.rules.registers import Occasion, place, soberly
from handlers.rules.transitions import Decision
from handlers.vendors import VENDORS
from store.applicants.mentions import Said
from store.inbox import internal_events
from store.inbox.claims import Claimed, Settlement
from store.states import Outcome
from store.system import fault_points

# Of several outcomes for several applicants, the first of these that occurs is the event's.
_STRONGEST = (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.IGNORED)


@dataclass(frozen=True)
class Read:
    """A claimed event and what it says."""

    event: Claimed
    news: News | Unreadable


def interpret(event: Claimed) -> News | Unreadable:
    """What an event says, or why nobody can tell."""
    fault_points.reach("interpret", event.body_sha256.hex())
    kind = internal_events.kind(event.headers)
    try:
        if kind:
            return stated.interpret(kind, event.vendor, event.body(), config.settings())
        return VENDORS[event.vendor].interpret(event.headers, event.body(), config.settings())
    except Unreadable as unreadable:
        return unreadable


def references(news: News | Unreadable) -> tuple[str, ...]:
    """Which applicants an event names."""
    if isinstance(news, Unreadable):
        return (news.reference,) if news.reference else ()
    return news.references


def occasion(event: Claimed) -> Occasion:
    """How an event came to us."""
    by_receipt = not VENDORS[event.vendor].has_clock
    return Occasion(
        event_id=event.id,
        sequence=event.sequence,
        received_at=event.received_at,
        body_sha256=event.body_sha256.hex(),
        repeat=event.repeat,
        seen_before=event.seen_before,
        by_receipt=by_receipt,
        **given_place(event.headers, by_receipt=by_receipt),
    )


def given_place(headers: dict[str, str], *, by_receipt: bool) -> dict[str, Any]:
    """The place that a statement was given, and whether all that was received up to it comes before."""
    order, receipt = headers.get(internal_events.ORDER_HEADER), headers.get(internal_events.RECEIPT_HEADER)
    if order:
        return {"order": int(order)}
    if receipt and by_receipt:
        return {"order": int(receipt), "closes": internal_events.kind(headers) == internal_events.Kind.READ}
    return {}


def settlement(one: Read, decisions: list[Decision], *, applied_before: bool) -> Settlement:
    """How an event ended: by the strongest of what it did to the applicants that it names."""
    news, sequence = one.news, one.event.sequence
    named = references(news)
    reference = named[0] if len(named) == 1 else None
    if isinstance(news, Unreadable):
        return Settlement(sequence=sequence, status=Outcome.UNREADABLE, reason=news.reason, event_type=news.event_type, reference=reference)
    ended: dict[Outcome, list[str]] = defaultdict(list)
    for decision in decisions:
        ended[decision.outcome].append(decision.reason)
    status = next((outcome for outcome in _STRONGEST if outcome in ended), Outcome.IGNORED)
    reason = next(iter(ended[status]), news.because)
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


def said(one: Read, decisions: list[Decision]) -> Iterable[Said]:
    """What an event said of each applicant that it names, also of those that it did not move."""
    decided = {decision.applicant.reference: decision for decision in decisions}
    event, news = one.event, one.news
    for reference in references(news):
        decision, came = decided.get(reference), occasion(event)
        at, rank = place(news, came)
        told = news.reason if isinstance(news, Unreadable) else words(news)
        yield Said(
            vendor=event.vendor,
            environment=event.environment,
            reference=reference,
            event_sequence=event.sequence,
            place=at,
            rank=rank,
            said=told,
            meant=meaning(news, came),
            outcome=decision.outcome if decision else Outcome.UNREADABLE if isinstance(news, Unreadable) else Outcome.IGNORED,
            why=decision.reason if decision else told,
            superseded_by=decision.superseded_by if decision else None,
        )


def not_understood(one: Read) -> tuple[str, str] | None:
    """Return the vendor and environment of an event whose approval is not understood, when it is handled for the first time."""
    says = None if isinstance(one.news, Unreadable) or one.event.replayed else one.news.says
    doubtful = isinstance(says, Step) and says.not_understood
    return (one.event.vendor, one.event.environment) if doubtful else None


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
        case Judgement(status=status):
            return f"a person's decision: {status}"
