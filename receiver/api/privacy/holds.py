"""/v1/holds: nothing of a user, or of an applicant, is erased while a hold is on it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api.privacy import subjects
from receiver.api.privacy.subjects import AboutQuery, AnyEnvironment, EntryId, InAnyEnvironment, InEnvironment, Subject
from receiver.openapi import privacy_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.queries import AwareMoment
from store.privacy import holds

blueprint = Blueprint("holds", __name__, url_prefix="/v1")


class HoldRequest(Subject, kw_only=True):
    """Who is not to be erased, why, and when somebody is to look again."""

    reason: queries.Reason
    review_at: Annotated[AwareMoment, Meta(description="When somebody is to look whether it is needed.")]


class LiftRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a hold is needed no more."""

    reason: queries.Reason | None = None
    environment: AnyEnvironment = None


class HoldsQuery(AboutQuery, forbid_unknown_fields=True):
    lifted: Annotated[bool, Meta(description="Those that were lifted, too.")] = False


HOLD_PAGE = PageOf(privacy_schemas.Hold, place=lambda row: [row.id], describe=holds.describe, after=tuple[EntryId], start=(None,))


@blueprint.post("/holds")
@call(
    right=Right.REQUEST,
    query=InEnvironment,
    body=HoldRequest,
    answers=privacy_schemas.Hold,
    status=201,
    other_statuses=(409,),
    writes=True,
)
def place_hold(connection: Connection, caller: Caller, query: InEnvironment, body: HoldRequest) -> dict[str, Any]:
    """Place a hold on a user, or on one applicant. It stops every erasure, the vendor's included."""
    subject, review_at = subjects.data_subject(body, query), subjects.moment("review_at", body.review_at)
    assert review_at is not None
    with subjects.refusals():
        return holds.place(connection, subject, by=caller.actor, reason=body.reason, review_at=review_at)


@blueprint.get("/holds")
@call(right=Right.PRIVACY, query=HoldsQuery, answers=HOLD_PAGE)
def list_holds(connection: Connection, query: HoldsQuery, after: tuple[str | None]) -> list[Row[Any]]:
    """Holds that are in force, in the order in which they were placed."""
    wanted: dict[str, Any] = {"environment": query.environment, "lifted": query.lifted, "about": subjects.about(query)}
    return holds.listing(connection, **wanted, after=after[0], limit=query.limit + 1)


@blueprint.post("/holds/<name:hold_id>/lift")
@call(
    right=Right.PRIVACY,
    query=InAnyEnvironment,
    body=LiftRequest,
    answers=privacy_schemas.Hold,
    other_statuses=(409,),
    unknown="No hold has this id.",
    writes=True,
    wakes=True,
)
def lift_hold(connection: Connection, hold_id: str, caller: Caller, query: InAnyEnvironment, body: LiftRequest) -> dict[str, Any]:
    """Lift a hold that another person placed. Erasures that waited for it go on."""
    named = subjects.any_environment(body.environment, query)
    with subjects.refusals():
        subjects.check_environment(holds.find(connection, subjects.known(hold_id)), named)
        return holds.lift(connection, hold_id, by=caller.actor, reason=body.reason)
