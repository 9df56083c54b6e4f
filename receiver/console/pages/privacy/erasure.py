"""An erasure: requesting one, what it covers and what keeps it, the decision, and its certificate."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.lists import Row
from receiver.console.pages.privacy import covered
from receiver.vendors import VENDORS
from receiver.web.auth import Right

blueprint = Blueprint("erasure", __name__)


@blueprint.get("/erasures/new")
@guard.needs(Right.REQUEST)
def new() -> Response:
    """Return the form that requests an erasure, filled with the applicant or the user that the address names."""
    return _form()


@blueprint.post("/erasures/new")
@guard.needs(Right.REQUEST)
def request() -> AnyResponse:
    """Request an erasure. Another person decides."""
    body = forms.typed(*forms.SUBJECT, "reason") | forms.times("received_at")
    return forms.attempt(
        lambda: _requested(g.api.post("erasures", body=body, environment=rendering.environment())), _form, forms.REPAIRABLE_BY_ANOTHER
    )


@blueprint.get("/erasures/<name:erasure_id>")
@guard.needs(Right.PRIVACY)
def show(erasure_id: str) -> Response:
    """Return an erasure with what it covers."""
    return _page(erasure_id)


@blueprint.post("/erasures/<name:erasure_id>/approve")
@guard.needs(Right.PRIVACY, proof=True)
def approve(erasure_id: str) -> AnyResponse:
    """Approve a request: a worker erases."""
    body = forms.typed("reason", "basis") | forms.ticked("early", "with_vendor")
    return _decide(erasure_id, "approve", body, "It is approved, and a worker erases it. This page shows how far it is.")


@blueprint.post("/erasures/<name:erasure_id>/refuse")
@guard.needs(Right.PRIVACY)
def refuse(erasure_id: str) -> AnyResponse:
    """Refuse a request until a time."""
    body = forms.typed("reason", "basis") | forms.times("until") | forms.ticked("restrict")
    return _decide(erasure_id, "refuse", body, "It is refused. The person must have the answer by the deadline.")


@blueprint.post("/erasures/<name:erasure_id>/readmit")
@guard.needs(Right.PRIVACY)
def readmit(erasure_id: str) -> AnyResponse:
    """Let the erased applicants begin again."""
    return _decide(erasure_id, "readmit", forms.typed("reason"), "Its applicants may begin again.")


@blueprint.get("/erasures/<name:erasure_id>/certificate")
@guard.needs(Right.PRIVACY)
def certificate(erasure_id: str) -> Response:
    """Return the certificate as a file. It names no person."""
    answer = g.api.raw("GET", ("erasures", erasure_id, "certificate"))
    return rendering.file(answer, f"certificate-{erasure_id}.json", "application/json")


def _form(refused: Refused | None = None) -> Response:
    return forms.page("privacy/request.html", refused, vendors=VENDORS, given=forms.shown())


def _requested(found: Row) -> AnyResponse:
    says = f"The request is open. Another person decides, by {rendering.when(found['deadline'])}."
    if guard.may(Right.PRIVACY):
        return rendering.done("erasure.show", says, erasure_id=found["id"])
    return rendering.done("erasure.new", says)


def _decide(erasure_id: str, decision: str, body: dict[str, Any], says: str) -> AnyResponse:
    def act() -> AnyResponse:
        g.api.post("erasures", erasure_id, decision, body=body)
        return rendering.done("erasure.show", says, erasure_id=erasure_id)

    return forms.attempt(act, lambda refused: _page(erasure_id, decision, refused), forms.REPAIRABLE_BY_ANOTHER)


def _page(erasure_id: str, decision: str = "", refused: Refused | None = None) -> Response:
    """Return the page; after a refused decision with why, and with what was typed."""
    found = g.api.get("erasures", erasure_id)
    shown = {"erasure": found, "covered": covered.by(found), "is_own": guard.is_own(found["requested_by"])}
    return forms.page("privacy/erasure.html", refused, **shown, decision=decision, given=forms.shown())
