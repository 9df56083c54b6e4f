"""Events: the inbox with its filters, dead letters in groups, and dismissing several at once."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.console.pages.people import addresses
from receiver.vendors import VENDORS
from receiver.web.auth import Right
from store.text.counts import counted
from store.text.names import NAME_CHARS_MAX
from store.text.states import Outcome

blueprint = Blueprint("events", __name__)

#: Outcomes that a person has to look at, and may dismiss.
UNRESOLVED = (Outcome.FAILED, Outcome.UNREADABLE)

EVENTS = ListPage(
    title="Events",
    call=("events",),
    about="What the vendors sent, and the outcome, the newest first. The page of an event shows its body.",
    empty="No event is kept. The first webhook of a vendor makes one.",
    command="standing events list",
    always={"order": "newest"},
    filters=(
        Filter(name="vendor", label="Vendor", choices=tuple(VENDORS)),
        Filter(name="status", label="Outcome", choices=tuple(Outcome)),
        Filter(name="event_type", label="Type", hint="in the vendor's word"),
        Filter(name="reference", label="Names the applicant", hint="the vendor's id"),
        Filter(name="error", label="Reason holds", hint="KeyError"),
        Filter(name="received_after", label="Received after (UTC)", is_time=True),
    ),
    columns=(
        Column(name="received_at", label="Received", kind="time", link=lambda row: rendering.to("event.show", event_id=row["id"])),
        Column(name="status", label="Outcome", kind="status"),
        Column(name="vendor", label="Vendor"),
        Column(name="event_type", label="Type"),
        Column(name="reference", label="Applicant", link=addresses.applicant),
        Column(name="reason", label="Reason"),
        Column(name="occurred_at", label="Happened", kind="time"),
        Column(name="deliveries", label="Deliveries", kind="number"),
        Column(name="attempts", label="Failed attempts", kind="number"),
        Column(name="dismissed_at", label="Dismissed", kind="time"),
        Column(name="id", label="Id", kind="code"),
    ),
    template="operations/events.html",
    prepare=lambda row: row | {"can_be_dismissed": can_be_dismissed(row)},
)

FAILED = ListPage(
    title="Dead letters",
    call=("failed",),
    about="Events that could not be handled, grouped by vendor, type and error. They are kept, and nothing else waits for them.",
    empty="No dead letter: every event could be handled.",
    command="standing failed list",
    columns=(
        Column(name="vendor", label="Vendor"),
        Column(name="event_type", label="Type"),
        Column(name="reason", label="Error"),
        Column(name="count", label="Events", kind="number"),
        Column(name="first_seen", label="First", kind="time"),
        Column(name="last_seen", label="Last", kind="time"),
        Column(name="example", label="Example", kind="code"),
    ),
    has_pages=False,
    template="operations/failed.html",
)


@blueprint.get("/events")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the events that match, the newest first."""
    return lists.show(EVENTS)


@blueprint.get("/events/failed")
@guard.needs(Right.READ)
def show_failed() -> Response:
    """Return the dead letters in groups. Each group leads to its events, and to the form of a replay of them."""
    return lists.show(FAILED, of_group=_of_group, replay_of=_replay_of)


@blueprint.post("/events/dismiss")
@guard.needs(Right.OPERATE)
def dismiss() -> AnyResponse:
    """Dismiss the chosen events for one reason. Those that were handled meanwhile are left out."""
    chosen = request.form.getlist("event_id")[: lists.ROWS]
    count = sum(_dismiss(event_id, forms.reason()) for event_id in chosen)
    left = f" {counted(len(chosen) - count, 'event')} could not be: handled or dismissed meanwhile." if count < len(chosen) else ""
    return rendering.done("events.show", f"{counted(count, 'event')} dismissed.{left}", **_filters())


def can_be_dismissed(row: Row) -> bool:
    """Return whether an event is one to look at that was not dismissed."""
    return row["status"] in UNRESOLVED and not row["dismissed_at"] and not row["erased_at"]


def _dismiss(event_id: str, reason: str) -> bool:
    try:
        g.api.post("events", event_id, "dismiss", body={"reason": reason})
    except Refused as refused:
        if refused.status not in (404, 409):
            raise
        return False
    return True


def _filters() -> Row:
    """Return the filters of the list that a form was on."""
    return {one.name: request.args[one.name] for one in EVENTS.filters if request.args.get(one.name)}


def _of_group(row: Row) -> str:
    return rendering.to("events.show", status=Outcome.FAILED.value, **_conditions(row))


def _replay_of(row: Row) -> str:
    return rendering.to("replays.new", outcome=Outcome.FAILED.value, **_conditions(row))


def _conditions(row: Row) -> Row:
    return {"vendor": row["vendor"], "event_type": row["event_type"], "error": (row["reason"] or "")[:NAME_CHARS_MAX]}
