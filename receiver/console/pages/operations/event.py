"""An event: what is known of it, which applicants it named, its body masked, and handling it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Row
from receiver.console.pages.operations import events
from receiver.console.pages.people import addresses
from receiver.web.auth import Right
from store.text import masking, safe_text

blueprint = Blueprint("event", __name__)

#: What is shown of each applicant that an event named.
NAMED = (
    Column(name="reference", label="Applicant", link=addresses.applicant),
    Column(name="status", label="Status now", kind="status"),
    Column(name="said", label="It said"),
    Column(name="meant", label="It meant"),
    Column(name="outcome", label="Outcome", kind="status"),
    Column(name="why", label="Why"),
    Column(name="superseded_by", label="Superseded by", link=lambda row: addresses.event({"event_id": row["superseded_by"]})),
)

#: What the API says of a body that it does not show, which is no failure of the page: hidden, changed meanwhile, erased.
NO_BODY = (403, 404, 409, 410)


@blueprint.get("/events/<name:event_id>")
@guard.needs(Right.READ)
def show(event_id: str) -> AnyResponse:
    """Return an event, and with `body=masked` its body, in which everything is masked that may be personal data."""
    event = g.api.get("events", event_id)
    if event["environment"] != rendering.environment():
        # An id is found in any environment; what the page links to is not.
        return redirect(rendering.to("event.show", event_id=event_id, body=request.args.get("body"), environment=event["environment"]))
    return _page(event)


@blueprint.post("/events/<name:event_id>/body")
@guard.needs(Right.OPERATE, proof=True)
def reveal(event_id: str) -> AnyResponse:
    """Return an event's body as text. The audit log records who read it, and why."""

    def act() -> AnyResponse:
        reason = reason_to_read()
        body = g.api.raw("GET", ("events", event_id, "body"), query={"reason": reason})
        shown = "\n".join(safe_text.plain(line) for line in masking.readable(body, reveal=True).split("\n"))
        return rendering.page("operations/body.html", event_id=event_id, body=shown, reason=reason)

    return attempt(event_id, act)


@blueprint.post("/events/<name:event_id>/replay")
@guard.needs(Right.OPERATE)
def replay(event_id: str) -> AnyResponse:
    """Have a worker handle an event again."""
    return _done(event_id, "replay", None, "A worker handles the event again.")


@blueprint.post("/events/<name:event_id>/dismiss")
@guard.needs(Right.OPERATE)
def dismiss(event_id: str) -> AnyResponse:
    """Record that nothing is to be done about an event."""
    return _done(event_id, "dismiss", {"reason": forms.reason()}, "The event is dismissed. A replay undoes that.")


def _done(event_id: str, act: str, body: dict[str, Any] | None, says: str) -> AnyResponse:
    def post() -> AnyResponse:
        g.api.post("events", event_id, act, body=body)
        return rendering.done("event.show", says, event_id=event_id)

    return attempt(event_id, post)


def attempt(event_id: str, act: Callable[[], AnyResponse]) -> AnyResponse:
    """Return the answer of an act; where a person can repair what the API refuses, the event's page with why. Raises Refused."""
    return forms.attempt(act, lambda refused: _page(g.api.get("events", event_id), refused))


def reason_to_read() -> str:
    """Return why a body is read. Raises Refused if no reason was typed."""
    reason = forms.reason()
    if not reason:
        raise Refused(400, {"detail": "Say why you read the body: the audit log keeps it."})
    return reason


def _page(event: Row, refused: Refused | None = None) -> Response:
    body, no_body = _masked(event["id"]) if request.args.get("body") == "masked" else ("", "")
    content = {"body": body, "no_body": no_body, "can_be_dismissed": events.can_be_dismissed(event)}
    named = g.api.get("events", event["id"], "applicants", limit=lists.ROWS)
    content |= {"applicants": named["data"], "more": named["has_more"], "columns": NAMED}
    return forms.page("operations/event.html", refused, event=event, **content)


def _masked(event_id: str) -> tuple[str, str]:
    """Return an event's masked body, or why it is not shown."""
    try:
        return g.api.get("events", event_id, "masked")["body"], ""
    except Refused as refused:
        if refused.status not in NO_BODY:
            raise
        return "", refused.detail
