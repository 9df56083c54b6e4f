"""Reversals: whose approval fell, and every change that turned an approval."""

from __future__ import annotations

from flask import Blueprint, Response

from receiver.console import guard, lists, rendering
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.console.pages.people import addresses
from receiver.web.auth import Right
from store.text.states import Reversal

blueprint = Blueprint("reversals", __name__)

FILTERS = (
    Filter(name="kind", label="Kind, adverse unless chosen", choices=tuple(Reversal)),
    Filter(name="since", label="Since (UTC)", is_time=True),
)
WHO = (
    Column(name="external_user_id", label="Your id", link=addresses.person),
    Column(name="reference", label="Reference", link=addresses.applicant),
    Column(name="vendor", label="Vendor"),
)


def _fallen(row: Row) -> Row:
    return row | {"told": [_told(one) for one in row["told"]] or ["no subscriber"]}


def _told(one: Row) -> str:
    return f"{one['subscriber']}: {one['status']}" + (f" {rendering.when(one['at'])}" if one["at"] else "")


def _change(row: Row) -> Row:
    # Of an emptied change only the place is left; one of a restricted applicant comes without it.
    return dict.fromkeys(("reference", "vendor", "reversal", "from", "to", "reasons", "event_id")) | row | _whose(row)


def _whose(row: Row) -> Row:
    return {"external_user_id": (row.get("applicant") or {}).get("external_user_id")}


CURRENT = ListPage(
    title="Reversals",
    call=("reversals", "current"),
    about="Applicants whose approval fell, each once, with the status now; the last one that fell first. Restricted ones are left out.",
    empty="No approval has fallen. An applicant that was approved, and is rejected or in doubt since, would be here.",
    command="standing reversals --current",
    always={"order": "newest"},
    filters=FILTERS,
    columns=(
        *WHO,
        Column(name="status", label="Now", kind="status"),
        Column(name="reason", label="Why"),
        Column(name="fell_at", label="Fell", kind="time"),
        Column(name="reversal", label="Kind", kind="status"),
        Column(name="since", label="This status since", kind="time"),
        Column(name="told", label="Who was notified"),
    ),
    template="people/reversals.html",
    prepare=_fallen,
)
CHANGES = ListPage(
    title="All changes of approvals",
    call=("reversals",),
    about="Every change that turned an approval, the newest first. A change of a restricted applicant shows no user.",
    empty="No change has turned an approval.",
    command="standing reversals",
    always={"order": "newest"},
    filters=FILTERS,
    columns=(
        *WHO,
        Column(name="at", label="When", kind="time"),
        Column(name="reversal", label="Kind", kind="status"),
        Column(name="from", label="From", kind="status"),
        Column(name="to", label="To", kind="status"),
        Column(name="reasons", label="Reasons"),
        Column(name="event_id", label="Event", link=addresses.event),
        Column(name="cursor", label="Cursor", kind="code"),
        Column(name="cursor", label="Proof", kind="proof", link=addresses.proof_of_change),
    ),
    template="people/reversals.html",
    prepare=_change,
)


@blueprint.get("/reversals")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the approvals that fell."""
    return lists.show(CURRENT)


@blueprint.get("/reversals/changes")
@guard.needs(Right.READ)
def show_changes() -> Response:
    """Return every change that turned an approval."""
    return lists.show(CHANGES)
