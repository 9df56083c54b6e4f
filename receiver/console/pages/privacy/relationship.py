"""When the business relationship with a user ended, or that it goes on."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.lists import Row
from receiver.console.pages.privacy import covered
from receiver.web.auth import Right

blueprint = Blueprint("relationship", __name__)


@blueprint.get("/relationship")
@guard.needs(Right.PRIVACY)
def show() -> Response:
    """Return what keeps the applicants of the user that the address names, and the form that records the end."""
    return _page()


@blueprint.post("/relationship")
@guard.needs(Right.PRIVACY)
def record() -> AnyResponse:
    """Record when the relationship ended, or that it goes on."""
    user = request.form.get("external_user_id", "").strip()
    ended_at = None if request.form.get("goes_on") == "yes" else forms.times("ended_at")["ended_at"] or ""
    body = forms.typed("basis") | {"ended_at": ended_at}

    def act() -> AnyResponse:
        g.api.put("users", user, "relationship", body=body, environment=rendering.environment())
        return rendering.done("relationship.show", "It is recorded. The periods are counted from it.", external_user_id=user)

    return forms.attempt(act, _page)


def _page(refused: Refused | None = None) -> Response:
    user = request.values.get("external_user_id", "").strip()
    shown = {"covered": covered.of_user(user, rendering.environment()), "recorded": _recorded(user)} if user else {}
    return forms.page("privacy/relationship.html", refused, user=user, given=forms.shown(), **shown)


def _recorded(user: str) -> Row | None:
    """Return what was recorded last of the relationship with a user."""
    try:
        found: Row = g.api.get("users", user, "relationship", environment=rendering.environment())
    except Refused as refused:
        if refused.status != 404:
            raise
        return None
    return found
