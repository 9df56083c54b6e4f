"""What must happen after changes, over HTTP: what is done, what waits, what gave up, and doing that again."""

from __future__ import annotations

import re
from typing import Annotated, Any

from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection

from receiver import access, calls
from receiver.access import Right
from receiver.calls import Page
from receiver.problems import Problem
from store import audit
from store.outbox import reactions
from store.outbox.dispatch import Progress

blueprint = Blueprint("reactions", __name__, url_prefix="/v1")

REACTION_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class ReactionsQuery(Page, forbid_unknown_fields=True):
    status: Annotated[Progress | None, Meta(description="How they stand.")] = None
    subscriber: Annotated[calls.StoredName | None, Meta(description="Of one subscriber.")] = None


@blueprint.get("/reactions")
def list_reactions() -> Response:
    """What must happen after changes, for each subscriber, in the order in which it was written down: done, pending, or given up."""
    access.require(Right.READ)
    query = calls.query(ReactionsQuery)
    after = calls.decode_cursor(query.cursor, tuple[calls.Number]) or (0,)
    rows = calls.read(
        lambda connection: reactions.listing(
            connection,
            status=query.status,
            subscriber=query.subscriber,
            environment=query.environment,
            after=after[0],
            limit=query.limit + 1,
        )
    )
    return calls.page(rows, query.limit, place=lambda row: [row.id], describe=reactions.describe)


@blueprint.get("/reactions/<name:reaction_id>")
def reaction(reaction_id: str) -> Response:
    """A reaction, and what came of each attempt."""
    access.require(Right.READ)
    calls.query(calls.Nothing)
    number = _reaction_id(reaction_id)
    found = calls.read(lambda connection: reactions.find(connection, number))
    if found is None:
        raise _unknown_reaction()
    return calls.answer(found)


@blueprint.post("/reactions/<name:reaction_id>/run")
def run_reaction(reaction_id: str) -> Response:
    """Do a reaction again that gave up."""
    caller = access.require(Right.OPERATE)
    calls.query(calls.Nothing)
    number = _reaction_id(reaction_id)
    return calls.answer(calls.write(lambda connection: _run_reaction(connection, number, caller.name)), status=202)


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
