"""Placing a hold on a user, or on one applicant."""

from __future__ import annotations

from flask import Blueprint, Response, g
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.vendors import VENDORS
from receiver.web.auth import Right

blueprint = Blueprint("hold", __name__)


@blueprint.get("/holds/new")
@guard.needs(Right.REQUEST)
def new() -> Response:
    """Return the form that places a hold, filled with the applicant or the user that the address names."""
    return _form()


@blueprint.post("/holds/new")
@guard.needs(Right.REQUEST)
def place() -> AnyResponse:
    """Place a hold. Another person lifts it."""
    body = forms.typed(*forms.SUBJECT, "reason") | forms.times("review_at")

    def act() -> AnyResponse:
        g.api.post("holds", body=body, environment=rendering.environment())
        where = "holds.show" if guard.may(Right.PRIVACY) else "hold.new"
        return rendering.done(where, "The hold is in force. Nothing of them is erased until another person lifts it.")

    return forms.attempt(act, _form, forms.REPAIRABLE_BY_ANOTHER)


def _form(refused: Refused | None = None) -> Response:
    return forms.page("privacy/hold.html", refused, vendors=VENDORS, given=forms.shown())
