"""Decisions over HTTP: a person's decision is an event of its own kind, which the rules handle like any other."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection

from receiver.openapi import schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import call
from receiver.web.problems import Problem
from receiver.web.queries import One
from store.applicants import decisions
from store.applicants.decisions import Made, NotDecided, UnknownToUs
from store.config import settings
from store.inbox.internal_events import Ruling
from store.operators import Actor
from store.system import clock
from store.system.names import EVENT_ID

blueprint = Blueprint("decisions", __name__, url_prefix="/v1")


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The decision, and the reason."""

    decision: Annotated[Ruling, Meta(description="What it makes of the applicant, until newer news says otherwise.")]
    reason: queries.Reason


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decisions")
@call(right=Right.OPERATE, query=One, body=DecisionRequest, answers=schemas.Decided, status=202, writes=True, wakes=True)
def decide(connection: Connection, vendor: str, reference: str, caller: Caller, query: One, body: DecisionRequest) -> dict[str, Any]:
    """Decide about an applicant. Newer news overrides the decision. An approval against a hit or an open alert waits for a second
    operator."""
    key, needs_two = queries.key(vendor, query.environment, reference), settings().all_take_two
    try:
        made = decisions.decide(connection, key, body.decision, by=_actor(caller), reason=body.reason, at=clock.now(), needs_two=needs_two)
    except UnknownToUs as error:
        raise Problem(404, _sentence(error)) from error
    return _told(made)


@blueprint.post("/decisions/<name:event_id>/confirm")
@call(right=Right.OPERATE, answers=schemas.Decided, status=202, others=(409,), unknown="No decision has this id.", writes=True, wakes=True)
def confirm_decision(connection: Connection, event_id: str, caller: Caller) -> dict[str, Any] | None:
    """Confirm another operator's decision: an approval against a hit or an open alert."""
    try:
        return _told(decisions.confirm(connection, event_id, by=_actor(caller))) if EVENT_ID.fullmatch(event_id) else None
    except NotDecided as error:
        raise Problem(404 if isinstance(error, UnknownToUs) else 409, _sentence(error)) from error


def _actor(caller: Caller) -> Actor:
    return Actor(name=caller.name, by_token=True)


def _told(made: Made) -> dict[str, Any]:
    return {"status": "accepted", "event_id": made.event_id, "against": list(made.against), "waits_for_confirmation": made.waits}


def _sentence(error: NotDecided) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
