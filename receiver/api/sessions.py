"""/v1/sessions: who is signed in to the console, and ending a session."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection

from receiver.openapi import service_schemas
from receiver.web.auth import Caller, Right
from receiver.web.call import ListOf, call
from store.access import console_sessions
from store.text.names import EVENT_ID

blueprint = Blueprint("oncall", __name__, url_prefix="/v1")


@blueprint.get("/sessions")
@call(right=Right.READ, answers=ListOf(service_schemas.ConsoleSession))
def list_sessions(connection: Connection, caller: Caller) -> list[dict[str, Any]]:
    """Who is signed in to the console, the last used session first: an operator sees all, others their own."""
    return [console_sessions.describe(row) for row in console_sessions.listing(connection, of=_whose(caller))]


@blueprint.delete("/sessions/<name:session_id>")
@call(right=Right.READ, answers=service_schemas.EndedSession, unknown="No open session has this id.", writes=True)
def end_session(connection: Connection, session_id: str, caller: Caller) -> dict[str, Any] | None:
    """End a session of the console: an operator any, others their own."""
    if not EVENT_ID.fullmatch(session_id) or not console_sessions.end(connection, session_id, by=caller.name, of=_whose(caller)):
        return None
    return {"status": "ended", "id": session_id}


def _whose(caller: Caller) -> str | None:
    return None if caller.right == Right.OPERATE else caller.name
