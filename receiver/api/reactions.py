"""Reactions over HTTP: what must happen after changes, for each subscriber; running reactions again, and resuming a subscriber."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.openapi import acting_schemas, service_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import ListOf, PageOf, call
from receiver.web.problems import Problem
from receiver.web.queries import OrderedPage
from store.access import audit
from store.outbox import reactions
from store.outbox.dispatch import ReactionStatus

blueprint = Blueprint("reactions", __name__, url_prefix="/v1")

REACTION_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class ReactionsQuery(OrderedPage, forbid_unknown_fields=True):
    status: Annotated[ReactionStatus | None, Meta(description="How they stand.")] = None
    subscriber: Annotated[queries.StoredName | None, Meta(description="Of one subscriber.")] = None


UNKNOWN = "No reaction has this id."
REACTION_PAGE = PageOf(service_schemas.Reaction, place=lambda row: [row.id], describe=reactions.describe)


@blueprint.get("/reactions")
@call(right=Right.READ, query=ReactionsQuery, answers=REACTION_PAGE)
def list_reactions(connection: Connection, query: ReactionsQuery, after: tuple[int] | None) -> list[Row[Any]]:
    """Reactions, for each subscriber in the order of creation, or the newest first: done, pending, or given up."""
    return reactions.listing(
        connection,
        status=query.status,
        subscriber=query.subscriber,
        environment=query.environment,
        **query.portion(after),
    )


@blueprint.get("/reactions/<name:reaction_id>")
@call(right=Right.READ, answers=service_schemas.ReactionInFull, unknown=UNKNOWN)
def get_reaction(connection: Connection, reaction_id: str) -> dict[str, Any] | None:
    """A reaction, and the answer to each attempt."""
    return reactions.find(connection, int(reaction_id)) if REACTION_ID.fullmatch(reaction_id) else None


@blueprint.post("/reactions/<name:reaction_id>/run")
@call(right=Right.OPERATE, answers=service_schemas.ReactionInFull, status=202, other_statuses=(409,), unknown=UNKNOWN, writes=True)
def run_reaction(connection: Connection, reaction_id: str, caller: Caller) -> dict[str, Any] | None:
    """Run a reaction again that gave up."""
    number = int(reaction_id) if REACTION_ID.fullmatch(reaction_id) else 0
    if reactions.run_again(connection, [number]):
        audit.write(connection, actor=caller.name, action="run reactions", subject=str(number), touched=1)
    elif reactions.find(connection, number):
        raise Problem(409, "This reaction has not given up.")
    return reactions.find(connection, number)


class RunReactionsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which reactions that gave up are run again."""

    reason: queries.Reason
    subscriber: Annotated[queries.StoredName | None, Meta(description="Those of one subscriber. Null: all.")] = None


@blueprint.post("/reactions/run")
@call(right=Right.OPERATE, body=RunReactionsRequest, answers=acting_schemas.ReactionsRun, status=202, writes=True)
def run_reactions(connection: Connection, caller: Caller, body: RunReactionsRequest) -> dict[str, Any]:
    """Run all reactions again that gave up, or those of one subscriber."""
    count = reactions.run_again(connection, None, subscriber=body.subscriber)
    subject = f"all that gave up{f' of {body.subscriber}' if body.subscriber is not None else ''}"
    audit.write(connection, actor=caller.name, action="run reactions", subject=subject, reason=body.reason, touched=count)
    return {"status": "accepted", "reactions": count}


# subscribers --------------------------------------------------------------------------------------------------


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Why a subscriber is notified again."""

    reason: queries.Reason | None = None


@blueprint.get("/subscribers")
@call(right=Right.READ, answers=ListOf(acting_schemas.SubscriberModel))
def list_subscribers(connection: Connection) -> list[dict[str, Any]]:
    """Who is notified of changes, what waits for each, and which are paused or answered 410."""
    return reactions.overview(connection)


@blueprint.post("/subscribers/<name:key>/resume")
@call(right=Right.OPERATE, body=ResumeRequest, answers=acting_schemas.SubscriberModel, unknown="No subscriber has this key.", writes=True)
def resume_subscriber(connection: Connection, key: str, caller: Caller, body: ResumeRequest) -> dict[str, Any] | None:
    """Notify a subscriber again that refuses, is paused, or had answered 410: what waits for it is tried again at once."""
    found = next((row for row in reactions.subscribers(connection) if row.name == key), None)
    if found is None:
        return None
    reactions.resume(connection, found.name)
    subject = f"subscriber {found.shown} ({found.name})"
    audit.write(connection, actor=caller.name, action="resume", subject=subject, reason=body.reason)
    return next(one for one in reactions.overview(connection) if one["key"] == key)
