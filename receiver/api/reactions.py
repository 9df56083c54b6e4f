"""What must happen after changes, over HTTP: what is done, what waits, what gave up, and doing that again."""

from __future__ import annotations

import re
from typing import Annotated, Any

from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection

from receiver.web import auth, queries
from receiver.web.auth import Right
from receiver.web.problems import Problem
from receiver.web.queries import Page
from store import audit
from store.outbox import reactions
from store.outbox.dispatch import Progress

blueprint = Blueprint("reactions", __name__, url_prefix="/v1")

REACTION_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class ReactionsQuery(Page, forbid_unknown_fields=True):
    status: Annotated[Progress | None, Meta(description="How they stand.")] = None
    subscriber: Annotated[queries.StoredName | None, Meta(description="Of one subscriber.")] = None


@blueprint.get("/reactions")
def list_reactions() -> Response:
    """What must happen after changes, for each subscriber, in the order in which it was written down: done, pending, or given up."""
    auth.require(Right.READ)
    query = queries.query(ReactionsQuery)
    after = queries.decode_cursor(query.cursor, tuple[queries.Number]) or (0,)
    rows = queries.read(
        lambda connection: reactions.listing(
            connection,
            status=query.status,
            subscriber=query.subscriber,
            environment=query.environment,
            after=after[0],
            limit=query.limit + 1,
        )
    )
    return queries.page(rows, query.limit, place=lambda row: [row.id], describe=reactions.describe)


@blueprint.get("/reactions/<name:reaction_id>")
def reaction(reaction_id: str) -> Response:
    """A reaction, and what came of each attempt."""
    auth.require(Right.READ)
    queries.query(queries.Nothing)
    number = _reaction_id(reaction_id)
    found = queries.read(lambda connection: reactions.find(connection, number))
    if found is None:
        raise _unknown_reaction()
    return queries.answer(found)


@blueprint.post("/reactions/<name:reaction_id>/run")
def run_reaction(reaction_id: str) -> Response:
    """Do a reaction again that gave up."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    number = _reaction_id(reaction_id)
    return queries.answer(queries.write(lambda connection: _run_reaction(connection, number, caller.name)), status=202)


def _run_reaction(connection: Connection, number: int, actor: str) -> dict[str, Any]:
    if not reactions.run_again(connection, [number]):
        raise _unknown_reaction() if reactions.find(connection, number) is None else Problem(409, "This reaction has not given up.")
    audit.write(connection, actor=actor, action="run reactions", subject=str(number), touched=1)
    return reactions.find(connection, number) or {}


def _reaction_id(text: str) -> int:
    if not REACTION_ID.fullmatch(text):
        raise _unknown_reaction()
    return int(text)


def _unknown_reaction() -> Problem:
    return Problem(404, "No reaction has this id.")
