"""Reactions over HTTP: what must happen after changes, for each subscriber; and running a reaction again."""

from __future__ import annotations

import re
from typing import Annotated, Any

from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.openapi import service_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
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
