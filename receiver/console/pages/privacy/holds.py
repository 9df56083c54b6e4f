"""Holds: those that are in force, and lifting one."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Filter, ListPage
from receiver.web.auth import Right

blueprint = Blueprint("holds", __name__)

HOLDS = ListPage(
    title="Holds",
    call=("holds",),
    about="Nothing of these persons is erased while a hold is on them, whoever asks, the vendor included.",
    empty="No hold is in force.",
    command="standing holds list",
    filters=(Filter(name="lifted", label="With lifted ones", choices=("true",)),),
    columns=(
        Column(name="external_user_id", label="User"),
        Column(name="vendor", label="Vendor"),
        Column(name="reference", label="Reference"),
        Column(name="reason", label="Reason"),
        Column(name="review_at", label="Look again", kind="time"),
        Column(name="placed_by", label="Placed by"),
        Column(name="placed_at", label="Placed", kind="time"),
        Column(name="lifted_by", label="Lifted by"),
        Column(name="lifted_at", label="Lifted", kind="time"),
        Column(name="lift_reason", label="Why lifted"),
        Column(name="id", label="Hold", kind="code"),
        Column(name="id", label="Proof", kind="proof", link=lambda row: rendering.to("proofs.of_hold", hold_id=row["id"])),
    ),
    template="privacy/holds.html",
)


@blueprint.get("/holds")
@guard.needs(Right.PRIVACY)
def show() -> Response:
    """Return the holds, and the form that lifts one."""
    return lists.show(HOLDS, given_form={}, refused="", is_own=guard.is_own)


@blueprint.post("/holds")
@guard.needs(Right.PRIVACY, proof=True)
def lift() -> AnyResponse:
    """Lift a hold that another person placed."""
    hold_id = request.form.get("hold", "")

    def act() -> AnyResponse:
        g.api.post("holds", hold_id, "lift", body=forms.typed("reason"))
        return rendering.done("holds.show", "The hold is lifted. Erasures that waited for it go on.")

    def again(refused: Refused) -> Response:
        answer = lists.show(HOLDS, given_form=request.form, refused=refused.detail, is_own=guard.is_own)
        answer.status_code = refused.status
        return answer

    return forms.attempt(act, again, forms.REPAIRABLE_BY_ANOTHER)
