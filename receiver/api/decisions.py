"""Decisions over HTTP: a person's decision is an event of its own kind, which the rules handle like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection

from receiver.openapi import schemas, service_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.problems import Problem, sentence
from receiver.web.queries import One, OrderedPage
from store.applicants import decision_list, decisions
from store.applicants.decision_list import Listed
from store.applicants.decisions import Made, NotDecided, UnknownToUs
from store.config import settings
from store.inbox.internal_events import Ruling
from store.inbox.sealing.encryption import Unopenable
from store.system import clock
from store.text.names import EVENT_ID

blueprint = Blueprint("decisions", __name__, url_prefix="/v1")


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The decision, and the reason."""

    decision: Annotated[Ruling, Meta(description="What it makes of the applicant, until newer news says otherwise.")]
    reason: queries.Reason


class ReasonRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a second operator says so."""

    reason: queries.Reason


class DecisionsQuery(OrderedPage, forbid_unknown_fields=True):
    waiting: Annotated[bool, Meta(description="Only those that wait for a second operator.")] = False


DECISION_PAGE = PageOf(service_schemas.ListedDecision, place=lambda one: [one.event.sequence], describe=decision_list.describe)
SECOND_OPERATOR_CALL = call(
    right=Right.OPERATE,
    body=ReasonRequest,
    answers=schemas.Decided,
    status=202,
    other_statuses=(409,),
    unknown="No decision has this id.",
    writes=True,
    wakes=True,
)


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decisions")
@call(
    right=Right.OPERATE,
    query=One,
    body=DecisionRequest,
    answers=schemas.Decided,
    status=202,
    other_statuses=(410,),
    writes=True,
    wakes=True,
)
def decide(connection: Connection, vendor: str, reference: str, caller: Caller, query: One, body: DecisionRequest) -> dict[str, Any]:
    """Decide about an applicant. Newer news overrides the decision. An approval against a hit or an open alert waits for a second
    operator."""
    key, needs_two = queries.key(vendor, query.environment, reference), settings().all_take_two
    try:
        made = decisions.decide(connection, key, body.decision, by=caller.actor, reason=body.reason, at=clock.now(), needs_two=needs_two)
    except UnknownToUs as error:
        raise Problem(404, sentence(error)) from error
    return _told(made)


@blueprint.get("/decisions")
@call(right=Right.READ, query=DecisionsQuery, answers=DECISION_PAGE, other_statuses=(409,))
def list_decisions(connection: Connection, caller: Caller, query: DecisionsQuery, after: tuple[int] | None) -> list[Listed]:
    """What persons decided, confirmed and withdrew, in the order of receipt or the newest first, each with its state. Decisions
    about restricted applicants are left out, but for privacy officers."""
    wanted: dict[str, Any] = {"environment": query.environment, "with_restricted": caller.is_privacy_officer, "waiting": query.waiting}
    try:
        return decision_list.listing(connection, **wanted, **query.portion(after))
    except Unopenable as error:
        raise Problem(409, "A decision cannot be opened with the keys that are configured.") from error


@blueprint.post("/decisions/<name:event_id>/confirm")
@SECOND_OPERATOR_CALL
def confirm_decision(connection: Connection, event_id: str, caller: Caller, body: ReasonRequest) -> dict[str, Any] | None:
    """Confirm another operator's decision, with a reason of your own."""
    return _answer(decisions.confirm, connection, event_id, caller, body)


@blueprint.post("/decisions/<name:event_id>/withdraw")
@SECOND_OPERATOR_CALL
def withdraw_decision(connection: Connection, event_id: str, caller: Caller, body: ReasonRequest) -> dict[str, Any] | None:
    """Withdraw a decision that waits for a second operator. What was in force before it is in force still."""
    return _answer(decisions.withdraw, connection, event_id, caller, body)


def _answer(
    answer: Callable[..., Made], connection: Connection, event_id: str, caller: Caller, body: ReasonRequest
) -> dict[str, Any] | None:
    try:
        found = EVENT_ID.fullmatch(event_id) is not None
        return _told(answer(connection, event_id, by=caller.actor, reason=body.reason)) if found else None
    except NotDecided as error:
        raise Problem(404 if isinstance(error, UnknownToUs) else 409, sentence(error)) from error


def _told(made: Made) -> dict[str, Any]:
    return {"status": "accepted", "event_id": made.event_id, "against": list(made.against), "waits_for_confirmation": made.waits}
