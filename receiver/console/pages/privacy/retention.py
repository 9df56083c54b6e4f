"""Retention: what is due by the rules, and a run that erases it."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column
from receiver.console.pages.privacy import covered
from receiver.web.auth import Right
from store.text.counts import counted

blueprint = Blueprint("retention", __name__)

#: The most that a run erases.
ERASED_MAX = 100_000

RULES = (
    Column(name="rule", label="Rule"),
    Column(name="period", label="Kept for"),
    Column(name="due", label="Due", kind="number"),
    Column(name="oldest", label="The oldest since", kind="time"),
)

DUE = (
    Column(name="reference", label="Reference", link=covered.address),
    Column(name="vendor", label="Vendor"),
    Column(name="external_user_id", label="Your id"),
    Column(name="since", label="Due since", kind="time"),
)


@blueprint.get("/retention")
@guard.needs(Right.PRIVACY)
def show() -> Response:
    """Return what is due, and the form that erases it."""
    return _page()


@blueprint.post("/retention")
@guard.needs(Right.PRIVACY, proof=True)
def run() -> AnyResponse:
    """Erase what is due, never more than was said."""
    body = {"reason": forms.typed("reason")["reason"], "max": forms.number(request.form.get("max", ""))}

    def act() -> AnyResponse:
        ran = g.api.post("retention", "runs", body=body, environment=rendering.environment())
        parts = (("applicants", "applicant"), ("events", "event"), ("acts", "act"))
        done = ", ".join(counted(ran[name], one) for name, one in parts)
        return rendering.done("retention.show", f"Erased, or given to a worker to erase: {done}.")

    return forms.attempt(act, _page)


def _page(refused: Refused | None = None) -> Response:
    rules = g.api.get("retention", environment=rendering.environment())["data"]
    due = min(sum(rule["due"] for rule in rules), ERASED_MAX)
    shown = {"rules": rules, "rule_columns": RULES, "due_columns": DUE, "due": due, "given": forms.shown(max=due)}
    return forms.page("privacy/retention.html", refused, **shown)
