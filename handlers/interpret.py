"""Interpret an event, once, before anything is decided: what it says, and how far that counts.

A vendor's module translates the vendor's deliveries. Internal events (a person's decision, an import, a vendor's answer) are
translated here. Nothing here knows an applicant's status.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from handlers import config
from handlers.config import Settings
from handlers.rules import kept_news
from handlers.rules.news import Activity, Deletion, DocumentNotice, EventReading, Judgement, News, Occasion, Reading, Says, Step, Unreadable
from handlers.rules.registers import RANK
from handlers.vendors import VENDORS
from store.inbox import internal_events
from store.inbox.events import InboxEvent
from store.inbox.internal_events import DecisionBody, ImportBody, Kind, Ruling, StartBody
from store.privacy.erasing import event_erasure
from store.system import clock, fault_points
from store.text.states import Status

Body = TypeVar("Body", bound=msgspec.Struct)

#: A vendor's time that is further ahead of ours is taken as missing.
AHEAD_MAX = timedelta(days=1)

#: How many places that are not understood a reason names.
PLACES_MAX = 5

#: What a person's word makes of an applicant.
RULINGS = {Ruling.APPROVE: Status.APPROVED, Ruling.REJECT: Status.REJECTED, Ruling.RESUBMIT: Status.RESUBMISSION_REQUESTED}

#: Statuses of an import that close the question.
VERDICTS = frozenset({Status.APPROVED, Status.REJECTED, Status.RESUBMISSION_REQUESTED, Status.NEEDS_REVIEW})

#: Statuses of an import that lie over a verdict.
OVERLAYS: dict[Status, Says] = {
    Status.DELETED: Deletion(),
    Status.DEACTIVATED: Activity(active=False),
    Status.DOCUMENT_EXPIRED: DocumentNotice(expired=True),
}


def interpret(event: InboxEvent) -> EventReading:
    """Return the reading of an event: its news, and how far that counts. An unreadable event moves nothing."""
    fault_points.reach("interpret", event.body_sha256.hex())
    vendor, body_sha256 = VENDORS[event.vendor], event.body_sha256.hex()
    news: News | Unreadable
    try:
        news, body_sha256 = _read(event, vendor, body_sha256)
    except Unreadable as unreadable:
        is_ours = internal_events.kind(event.headers)
        event_type = unreadable.event_type if is_ours else _theirs(unreadable.event_type)
        news = Unreadable(unreadable.reason, event_type=event_type, reference=unreadable.reference)
    occasion = Occasion(
        event_id=event.id,
        sequence=event.sequence,
        received_at=event.received_at,
        body_sha256=body_sha256,
        repeat=event.repeat,
        seen_before=event.seen_before,
        by_receipt=not vendor.has_clock,
        **given_place(event.headers, by_receipt=not vendor.has_clock),
    )
    return EventReading(event=event, **structs.asdict(weigh(news, occasion)))


def _read(event: InboxEvent, vendor: Any, body_sha256: str) -> tuple[News, str]:
    """Return the news of an event, and the hash of the body that said it. Raises Unreadable."""
    kind = internal_events.kind(event.headers)
    if not event.sealed_body:
        return News(event_type=None, says=None, because=event_erasure.REASON), body_sha256
    if kind == Kind.KEPT:
        return kept_news.decode(event.body())
    if kind:
        return statement(kind, event.vendor, event.body(), config.settings()), body_sha256
    return _without_our_words(vendor.interpret(event.headers, event.body(), config.settings())), body_sha256


def _without_our_words(news: News) -> News:
    """Return a vendor's news without a type that is a word of ours: iDenfy's type is not signed, and decisions are found by theirs."""
    event_type = _theirs(news.event_type)
    return news if event_type == news.event_type else structs.replace(news, event_type=event_type)


def _theirs(event_type: str | None) -> str | None:
    return None if event_type and event_type.startswith(internal_events.OUR_TYPES) else event_type


def weigh(news: News | Unreadable, occasion: Occasion) -> Reading:
    """Return the reading of news: how far it counts on this occasion, and its place among the vendor's news."""
    if isinstance(news, Unreadable):
        order = occasion.sequence if occasion.by_receipt else clock.microseconds(occasion.received_at)
        references = (news.reference,) if news.reference else ()
        return Reading(occasion=occasion, news=news, says=None, references=references, order=order, rank=len(RANK))
    at = _usable_time(news, occasion)
    order = occasion.sequence if occasion.by_receipt else clock.microseconds(at or occasion.received_at)
    time_unknown = at is None and not occasion.by_receipt
    says, doubts = _restricted(news.says, repeat=occasion.repeat, time_unknown=time_unknown)
    return Reading(
        occasion=occasion,
        news=news,
        says=says,
        doubts=doubts,
        at=at,
        time_unknown=time_unknown,
        references=news.references,
        order=order if occasion.order is None else occasion.order,
        rank=RANK["restarted" if says.restarts else says.status] if isinstance(says, Step) else len(RANK),
    )


def _usable_time(news: News, occasion: Occasion) -> datetime | None:
    """Return the vendor's time; None if it has no clock, or that is missing, unreadable, or more than a day ahead of ours."""
    if occasion.by_receipt or news.occurred_at is None or news.occurred_at > occasion.received_at + AHEAD_MAX:
        return None
    return news.occurred_at


# doubt --------------------------------------------------------------------------------------------------------


def _restricted(says: Says | None, **circumstances: bool) -> tuple[Says | None, tuple[str, ...]]:
    """Return what counts of news, and the doubts about an approval: with one doubt it becomes `needs_review`."""
    if not isinstance(says, Step) or Status.APPROVED not in (says.status, says.provisional):
        return says, ()
    doubts = tuple(_doubts(says, **circumstances))
    if not doubts:
        return says, ()
    name = "status" if says.status == Status.APPROVED else "provisional"
    return structs.replace(says, **{name: Status.NEEDS_REVIEW}), doubts


def _doubts(step: Step, *, repeat: bool, time_unknown: bool) -> Iterator[str]:
    """Yield each doubt about an approval, in words."""
    if step.hits:
        yield f"it names a hit ({', '.join(step.hits)})"
    if step.failed_screenings:
        yield f"a screening failed ({', '.join(step.failed_screenings)})"
    if step.doubtful:
        yield f"it is in doubt ({', '.join(step.doubtful)})"
    if step.not_understood:
        yield f"not all of it is understood ({', '.join(step.not_understood[:PLACES_MAX])})"
    if repeat:
        yield "the body repeats an earlier one"
    if time_unknown:
        yield "its time is unknown"


# our own events -----------------------------------------------------------------------------------------------


def statement(kind: Kind, vendor: str, body: bytes, settings: Settings) -> News:
    """Return what an internal event says. Raises Unreadable."""
    match kind:
        case Kind.DECISION:
            return _decision(_decoded(body, DecisionBody))
        case Kind.IMPORT:
            return _import(_decoded(body, ImportBody), vendor)
        case Kind.START:
            return _start(_decoded(body, StartBody))
        case Kind.READ | Kind.KEPT:
            return VENDORS[vendor].interpret_answer(body, settings)


def given_place(headers: dict[str, str], *, by_receipt: bool) -> dict[str, Any]:
    """Return the place that an internal event was given, and whether everything received up to it comes before."""
    order, receipt = headers.get(internal_events.ORDER_HEADER), headers.get(internal_events.RECEIPT_HEADER)
    if order:
        return {"order": int(order)}
    if receipt and by_receipt:
        return {"order": int(receipt), "closes": internal_events.kind(headers) == Kind.READ}
    return {}


def _decision(body: DecisionBody) -> News:
    confirmed = _by_another("confirmed", body.confirmed_by, body.confirmation)
    withdrawn = _by_another("withdrawn", body.withdrawn_by, body.withdrawal)
    return News(
        event_type=internal_events.DECISION_TYPE,
        references=(body.reference,),
        occurred_at=body.at,
        says=Judgement(status=RULINGS[body.ruling], decided=body),
        because=f"{body.by} decided: {body.ruling} ({body.reason}){confirmed}{withdrawn}",
    )


def _by_another(done: str, name: str | None, reason: str | None) -> str:
    return f", {done} by {name}{f' ({reason})' if reason else ''}" if name else ""


def _import(body: ImportBody, vendor: str) -> News:
    step = Step(
        status=body.status,
        verdict=body.status in VERDICTS,
        # Where the vendor has no clock only a final verdict holds against what is not final.
        binding=body.status in VERDICTS and not VENDORS[vendor].has_clock,
        final=body.status in (Status.APPROVED, Status.REJECTED),
        reasons=body.reasons,
        hits=body.hits,
        imported=True,
    )
    return News(
        event_type="standing.import",
        references=(body.reference,),
        occurred_at=body.at,
        says=OVERLAYS.get(body.status, step),
        because=f"{body.source} knew: {body.status}",
        external_user_id=body.external_user_id,
        imported_hits=body.hits,
    )


def _start(body: StartBody) -> News:
    return News(
        event_type="standing.start",
        references=(body.reference,),
        occurred_at=body.at,
        says=Step(status=Status.CREATED),
        because=f"{body.by} started it here (verification {body.verification_id})",
        external_user_id=body.external_user_id,
    )


def _decoded(body: bytes, form: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.MsgspecError as error:
        raise Unreadable("the statement is not of its form") from error
