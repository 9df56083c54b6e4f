"""Reactions and endpoints: who is notified of changes, what waits or gave up, and notifying again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.console.pages.people import addresses
from receiver.web.auth import Right
from store.outbox.dispatch import ReactionStatus
from store.text.counts import counted

blueprint = Blueprint("reactions", __name__)


def address(row: Row) -> str:
    """Return the address of the page of a reaction."""
    return rendering.to("reaction.show", reaction_id=str(row["id"]))


REACTIONS = ListPage(
    title="Reactions",
    call=("reactions",),
    about="Each subscriber is notified of each change, in order. A reaction is one change for one subscriber.",
    empty="No reaction yet. Each change of an applicant makes one for every subscriber.",
    command="standing reactions list",
    always={"order": "newest"},
    filters=(
        Filter(name="status", label="State", choices=tuple(ReactionStatus)),
        Filter(name="subscriber", label="Subscriber"),
    ),
    columns=(
        Column(name="at", label="Changed", kind="time", link=address),
        Column(name="subscriber", label="Subscriber"),
        Column(name="status", label="State", kind="status"),
        Column(name="reference", label="Applicant", link=addresses.applicant),
        Column(name="from", label="From", kind="status"),
        Column(name="to", label="To", kind="status"),
        Column(name="reversal", label="Reversal", kind="status"),
        Column(name="attempts", label="Attempts", kind="number"),
        Column(name="due_at", label="Tried again", kind="time"),
        Column(name="said", label="Last answer"),
        Column(name="vendor", label="Vendor"),
    ),
    template="operations/reactions.html",
)


@blueprint.get("/reactions")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the subscribers, and the reactions that match."""
    wanted: dict[str, Any] = {} if request.args.get("format") == "csv" else {"subscribers": g.api.get("subscribers")["data"]}
    return lists.show(REACTIONS, says=says, counted=counted, **wanted)


@blueprint.post("/reactions/run")
@guard.needs(Right.OPERATE)
def run() -> AnyResponse:
    """Run all reactions of a subscriber again that gave up; without a subscriber, of all."""
    body = {"subscriber": request.form.get("subscriber") or None, "reason": forms.reason()}
    count = g.api.post("reactions", "run", body=body)["reactions"]
    return rendering.done("reactions.show", f"{counted(count, 'reaction is', 'reactions are')} run again.")


@blueprint.post("/subscribers/<name:key>/resume")
@guard.needs(Right.OPERATE)
def resume(key: str) -> AnyResponse:
    """Notify a subscriber again that was paused, or had answered 410."""
    reason = request.form.get("reason", "")
    g.api.post("subscribers", key, "resume", body={"reason": reason} if reason else {})
    return rendering.done("reactions.show", "The subscriber is notified again: what waits for it is tried at once.")


def says(subscriber: Row) -> tuple[str, str]:
    """Return how a subscriber is, as a word and a sentence that says what to do next."""
    waits = counted(subscriber["pending"], "reaction waits", "reactions wait")
    if not subscriber["configured"]:
        return "look", f"No worker's settings name it. {waits}. If it is gone for good, forget it: standing notify forget."
    if subscriber["stopped_at"]:
        return "stopped", f"It answered 410, so nothing is sent to it. {waits}. Resume it once it wants to be notified."
    if subscriber["paused_until"]:
        return "look", f"It kept failing, and is paused. {waits}. Look at its last answer; resume it once the cause is repaired."
    if subscriber["failed"]:
        return "look", f"{counted(subscriber['failed'], 'reaction')} gave up. Repair the cause, then run them again."
    if subscriber["refused"]:
        return "look", f"{counted(subscriber['refused'], 'reaction')} failed before, and will be tried again. Look at its last answer."
    return "ok", f"{waits}." if subscriber["pending"] else "It was notified of every change."
