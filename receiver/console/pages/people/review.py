"""The review queue: what waits for a person, who looks after it, and decisions that wait for a second operator."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.console.pages.people import addresses
from receiver.web.auth import Right

blueprint = Blueprint("review", __name__)

#: Decisions that wait for a second operator, as far as a page shows them.
DECISIONS_MAX = 50


def address(row: Row) -> str | None:
    """Return the address of the page about an entry."""
    if row["what"] == "reaction":
        return rendering.to("reaction.show", reaction_id=str(row["reaction_id"]))
    return addresses.event(row) if row["what"] == "event" else addresses.applicant(row)


REVIEW = ListPage(
    title="Review queue",
    call=("review",),
    about="What waits for a person, the longest waiting first: applicants in doubt, open alerts, failed and unreadable events, "
    "reactions that were given up. Restricted applicants are left out.",
    empty="Nothing waits for a person. Applicants in doubt, failed events and reactions that were given up would be here.",
    command="standing review",
    filters=(Filter(name="older_than", label="Waiting for longer than", hint="90m, 12h, 3d"),),
    columns=(
        Column(name="name", label="What", link=address),
        Column(name="status", label="Status", kind="status"),
        Column(name="why", label="Why"),
        Column(name="claimed_by", label="Claimed by"),
        Column(name="waiting", label="Waits for"),
        Column(name="since", label="Since", kind="time"),
        Column(name="what", label="Kind"),
    ),
    template="people/review.html",
    prepare=lambda row: row | {"waiting": waited(row["waiting_minutes"])},
)


def waited(minutes: int) -> str:
    """Return a time in its two largest units."""
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


@blueprint.get("/review")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the entries, and the decisions that wait for a second operator."""
    return lists.show(REVIEW, **({} if request.args.get("format") else _waiting_decisions()))


@blueprint.post("/review/claim")
@guard.needs(Right.OPERATE)
def claim() -> AnyResponse:
    """Claim an entry, so that no other person works on it."""
    return _done("PUT", "The entry is claimed.", "Another person has claimed it: the list shows the name.")


@blueprint.post("/review/unclaim")
@guard.needs(Right.OPERATE)
def unclaim() -> AnyResponse:
    """Give a claimed entry back."""
    return _done("DELETE", "The entry is given back.", "The entry was not claimed any more.")


def _done(method: str, says: str, says_otherwise: str) -> AnyResponse:
    name, act = request.form.get("name", ""), g.api.put if method == "PUT" else g.api.delete
    try:
        act("review", name, "claim", environment=rendering.environment())
    except Refused as refused:
        if refused.status not in (404, 409):
            raise
        says = says_otherwise if refused.status == 409 else "It does not wait for a person any more."
    return rendering.done("review.show", says, older_than=request.form.get("older_than"))


def _waiting_decisions() -> dict[str, Any]:
    """Return the decisions that wait for a second operator, each with whether it is the signed-in person's own; or why they are not
    shown."""
    try:
        found = g.api.get("decisions", waiting="true", environment=rendering.environment(), limit=DECISIONS_MAX)
    except Refused as refused:
        if refused.status != 409:
            raise
        return {"decisions_wrong": refused.detail}
    rows = [one | {"is_own": guard.is_own(one["by"])} for one in found["data"]]
    return {"decisions": rows, "more_decisions": found["has_more"]}
