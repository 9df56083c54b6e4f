"""A person decides, over HTTP: an event of its own kind, which the rules judge like any other."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from receiver.web import auth, queries
from receiver.web.auth import Caller, Right
from receiver.web.problems import Problem
from receiver.web.queries import One
from store.applicants import decisions
from store.applicants.decisions import Actor, Made, NotDecided, UnknownToUs
from store.config import settings
from store.inbox import wakeup
from store.inbox.internal_events import Ruling
from store.system import clock
from store.system.names import EVENT_ID

blueprint = Blueprint("decisions", __name__, url_prefix="/v1")


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is decided, and why."""

    decision: Annotated[Ruling, Meta(description="What it makes of the applicant, until newer news says otherwise.")]
    reason: queries.Reason


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decisions")
def decide(vendor: str, reference: str) -> Response:
    """Decide of an applicant. It is judged like any event: newer news outvotes it, and an approval against a hit or an open alert
    waits for a second operator."""
    caller = auth.require(Right.OPERATE)
    query = queries.query(One)
    given = queries.body(DecisionRequest)
    key, now = queries.key(vendor, query.environment, reference), clock.now()
    try:
        made = queries.write(
            lambda connection: decisions.decide(
                connection, key, given.decision, by=_actor(caller), reason=given.reason, at=now, needs_two=settings().all_take_two
            )
        )
    except UnknownToUs as error:
        raise Problem(404, _sentence(error)) from error
    return _accepted(made)


@blueprint.post("/decisions/<name:event_id>/confirm")
def confirm(event_id: str) -> Response:
    """Confirm what another operator decided: an approval against a hit or an open alert."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    if not EVENT_ID.fullmatch(event_id):
        raise Problem(404, "No decision has this id.")
    try:
        made = queries.write(lambda connection: decisions.confirm(connection, event_id, by=_actor(caller)))
    except UnknownToUs as error:
        raise Problem(404, _sentence(error)) from error
    except NotDecided as error:
        raise Problem(409, _sentence(error)) from error
    return _accepted(made)


def _actor(caller: Caller) -> Actor:
    return Actor(name=caller.name, by_token=True)


def _accepted(made: Made) -> Response:
    wakeup.ring()
    told = {"status": "accepted", "event_id": made.event_id, "against": list(made.against), "waits_for_confirmation": made.waits}
    return queries.answer(told, status=202)


def _sentence(error: NotDecided) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
