"""What statements mean: a person's decision, a vendor's answer, what was known before."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from handlers.config import Settings
from handlers.rules.news import Activity, Deletion, DocumentNotice, Judgement, News, Says, Step, Unreadable
from handlers.vendors import VENDORS
from store.inbox.internal_events import DecisionBody, ImportBody, Kind, Ruling
from store.states import Status

Body = TypeVar("Body", bound=msgspec.Struct)

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


def interpret(kind: Kind, vendor: str, body: bytes, settings: Settings) -> News:
    """What a statement says. Raises Unreadable."""
    match kind:
        case Kind.DECISION:
            return _decision(_decoded(body, DecisionBody))
        case Kind.IMPORT:
            return _import(_decoded(body, ImportBody), vendor)
        case Kind.READ:
            return VENDORS[vendor].interpret_answer(body, settings)


def _decision(body: DecisionBody) -> News:
    confirmed = f", confirmed by {body.confirmed_by}" if body.confirmed_by else ""
    return News(
        event_type="standing.decision",
        references=(body.reference,),
        occurred_at=body.at,
        says=Judgement(status=RULINGS[body.ruling], decided=body),
        because=f"{body.by} decided: {body.ruling}{confirmed} ({body.reason})",
    )


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


def _decoded(body: bytes, form: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.MsgspecError as error:
        raise Unreadable("the statement is not of its form") from error
