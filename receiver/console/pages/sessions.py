"""Who is signed in, and ending a session."""

from __future__ import annotations

from flask import Blueprint, Response, g
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import guard, lists, rendering
from receiver.console.lists import Column, ListPage
from receiver.web.auth import Right

blueprint = Blueprint("sessions", __name__)

SESSIONS = ListPage(
    title="Sessions",
    call=("sessions",),
    about="Who is signed in here. An operator sees every session, others their own. Whose token leaves the settings is signed out.",
    empty="No person is signed in.",
    command="standing sessions list",
    columns=(
        Column(name="person", label="Person"),
        Column(name="right", label="Right"),
        Column(name="began_at", label="Began", kind="time"),
        Column(name="seen_at", label="Last used", kind="time"),
        Column(name="ends_at", label="Ends at the latest", kind="time"),
    ),
    has_pages=False,
    has_environment=False,
    template="sessions.html",
)


@blueprint.get("/sessions")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the sessions, each with a button that ends it."""
    return lists.show(SESSIONS, own=guard.person().session.id)


@blueprint.post("/sessions/<name:session_id>/end")
@guard.needs(Right.READ)
def end(session_id: str) -> AnyResponse:
    """End a session."""
    g.api.delete("sessions", session_id)
    return rendering.done("sessions.show", "The session is ended.")
