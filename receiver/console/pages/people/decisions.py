"""Decisions about an applicant: a person decides, another one confirms, either withdraws."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.pages.people import applicant
from receiver.web.auth import Right

blueprint = Blueprint("decisions", __name__)

KEPT = "The decision is kept. A worker applies it within seconds: load the page again to see it."
WAITS = "The decision is kept, and waits until a second operator confirms it. A worker shows it within seconds."
CONFIRMED = "The decision is confirmed. A worker applies it within seconds: load the page again to see it."
WITHDRAWN = "The decision is withdrawn. A worker shows that within seconds: load the page again to see it."


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decide")
@guard.needs(Right.OPERATE)
def decide(vendor: str, reference: str) -> AnyResponse:
    """Decide about an applicant."""
    body = {"decision": request.form.get("decision", ""), "reason": forms.reason()}

    def act() -> str:
        made = g.api.post("applicants", vendor, reference, "decisions", body=body, environment=rendering.environment())
        return WAITS if made["waits_for_confirmation"] else KEPT

    return _done(vendor, reference, act)


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decisions/<name:event_id>/confirm")
@guard.needs(Right.OPERATE, proof=True)
def confirm(vendor: str, reference: str, event_id: str) -> AnyResponse:
    """Confirm another operator's decision."""
    return _done(vendor, reference, lambda: _answer(event_id, "confirm", CONFIRMED))


@blueprint.post("/applicants/<name:vendor>/<name:reference>/decisions/<name:event_id>/withdraw")
@guard.needs(Right.OPERATE)
def withdraw(vendor: str, reference: str, event_id: str) -> AnyResponse:
    """Withdraw a decision that waits for a second operator."""
    return _done(vendor, reference, lambda: _answer(event_id, "withdraw", WITHDRAWN))


def _answer(event_id: str, act: str, says: str) -> str:
    g.api.post("decisions", event_id, act, body={"reason": forms.reason()})
    return says


def _done(vendor: str, reference: str, act: Callable[[], str]) -> AnyResponse:
    """Do an act; lead to the page that it was done from. Raises Refused where nothing can be repaired."""

    def done() -> AnyResponse:
        says = act()
        if request.form.get("from") == "review":
            return rendering.done("review.show", says)
        return rendering.done("applicant.show", says, vendor=vendor, reference=reference)

    return forms.attempt(done, lambda refused: applicant.page(vendor, reference, refused))
