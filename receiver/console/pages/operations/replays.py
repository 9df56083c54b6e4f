"""Replays: which there were, and the form that asks for another."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, ListPage, Row
from receiver.vendors import VENDORS
from receiver.web.auth import Right
from store.text.states import Outcome

blueprint = Blueprint("replays", __name__)


def address(row: Row) -> str:
    """Return the address of the page of a replay."""
    return rendering.to("replay.show", replay_id=row["id"])


REPLAYS = ListPage(
    title="Replays",
    call=("replays",),
    about="Events that were handled again, in any environment, the last begun first. A replay changes nothing before it is run.",
    empty="No replay was begun. Repair the cause first, restart the workers, and then replay the events that failed.",
    command="standing replays list",
    always={"limit": "200"},
    columns=(
        Column(name="at", label="Begun", kind="time", link=address),
        Column(name="actor", label="By"),
        Column(name="reason", label="Reason"),
        Column(name="status", label="State", kind="status"),
        Column(name="events", label="Events", kind="number"),
        Column(name="done", label="Handled", kind="number"),
        Column(name="changed", label="Applicants changed", kind="number"),
        Column(name="failed", label="Failed again", kind="number"),
        Column(name="ended_at", label="Ended", kind="time"),
    ),
    has_pages=False,
    has_environment=False,
    template="operations/replays.html",
)

#: The conditions of a replay that are texts, and those that are times.
TEXTS = ("vendor", "event_type", "outcome", "reference", "external_user_id", "error")
TIMES = ("received_from", "received_to")

#: What a condition is called.
LABELS = {
    "environment": "Environment",
    "ids": "Ids of events",
    "vendor": "Vendor",
    "event_type": "Type",
    "outcome": "How they ended",
    "reference": "Names the applicant",
    "external_user_id": "Names an applicant of your user",
    "received_from": "Received at or after",
    "received_to": "Received before",
    "error": "Reason holds",
}

#: How an event may have ended: pending ones are handled anyway.
OUTCOMES = tuple(outcome for outcome in Outcome if outcome != Outcome.PENDING)


@blueprint.get("/replays")
@guard.needs(Right.OPERATE)
def show() -> Response:
    """Return the replays, the last begun first."""
    return lists.show(REPLAYS)


@blueprint.get("/replays/new")
@guard.needs(Right.OPERATE)
def new() -> Response:
    """Return the form of a replay. The conditions that the address names are filled in."""
    return _form()


@blueprint.post("/replays")
@guard.needs(Right.OPERATE)
def ask() -> AnyResponse:
    """Ask for a replay, and lead to its page, which shows the forecast once a worker has made it."""

    def act() -> AnyResponse:
        made = g.api.post("replays", body=_wanted() | {"environment": rendering.environment()})
        return rendering.done("replay.show", "The replay is asked for. Nothing changes before you run it.", replay_id=made["id"])

    return forms.attempt(act, _form)


def _form(refused: Refused | None = None) -> Response:
    content = {"vendors": VENDORS, "outcomes": OUTCOMES, "labels": LABELS}
    return forms.page("operations/new_replay.html", refused, given=forms.shown(max_changes=forms.CHANGES_MAX), **content)


def _wanted() -> dict[str, Any]:
    """Return what the form says, in the words of the API."""
    wanted: dict[str, Any] = {name: value for name, value in (forms.typed(*TEXTS) | forms.times(*TIMES)).items() if value}
    wanted |= {"ids": request.form.get("ids", "").replace(",", " ").split(), "reason": forms.reason()}
    return wanted | {name: forms.number(text) for name, text in forms.typed("max_changes", "per_second").items() if text}
