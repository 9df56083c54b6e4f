"""The privacy desk: the requests to be erased that wait for a decision, and all erasures."""

from __future__ import annotations

from flask import Blueprint, Response

from receiver.console import guard, lists, rendering
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.web.auth import Right
from store.privacy.erasing.erasures import Stage

blueprint = Blueprint("privacy", __name__)


def address(row: Row) -> str:
    """Return the address of the page of an erasure."""
    return rendering.to("erasure.show", erasure_id=row["id"])


COLUMNS = (
    Column(name="id", label="Erasure", link=address),
    Column(name="status", label="Status", kind="status"),
    Column(name="deadline", label="Answer due", kind="time"),
    Column(name="external_user_id", label="User"),
    Column(name="vendor", label="Vendor"),
    Column(name="reference", label="Reference"),
    Column(name="reason", label="Reason"),
    Column(name="cause", label="Cause"),
    Column(name="requested_by", label="Requested by"),
    Column(name="decided_by", label="Decided by"),
    Column(name="until", label="Refused until", kind="time"),
    Column(name="done_at", label="Done", kind="time"),
)

TO_DECIDE = ListPage(
    title="Privacy",
    call=("erasures",),
    about="Requests to be erased that wait for a decision, the oldest first. Another person than the one who requested it decides.",
    empty="No request waits for a decision.",
    command="standing erasures list --status requested",
    always={"status": Stage.REQUESTED.value},
    columns=COLUMNS,
    template="privacy/erasures.html",
)

ERASURES = ListPage(
    title="Erasures",
    call=("erasures",),
    about="What persons requested, what rules made due, and the result, the oldest first.",
    empty="No erasure was requested, and no rule made anything due.",
    command="standing erasures list",
    filters=(Filter(name="status", label="Status", choices=tuple(Stage)),),
    columns=COLUMNS,
    template="privacy/erasures.html",
)


@blueprint.get("/privacy")
@guard.needs(Right.PRIVACY)
def show() -> Response:
    """Return the requests that wait for a decision."""
    return lists.show(TO_DECIDE)


@blueprint.get("/erasures")
@guard.needs(Right.PRIVACY)
def show_all() -> Response:
    """Return all erasures."""
    return lists.show(ERASURES)
