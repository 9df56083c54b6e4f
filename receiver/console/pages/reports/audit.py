"""The audit log: who did what, to what, and why; the newest first."""

from __future__ import annotations

import re

from flask import Blueprint, Response

from receiver.console import guard, lists, rendering
from receiver.console.lists import Column, Filter, ListPage, Row
from receiver.vendors import VENDORS
from receiver.web.auth import Right

blueprint = Blueprint("audit", __name__)

#: How an act names what it is about, and the page about that.
_APPLICANT = re.compile(rf"({'|'.join(VENDORS)}) (live|sandbox) (.+)")
_OTHER = re.compile(r"(event|replay|user) (.+)")


def address(act: Row) -> str | None:
    """Return the address of the page about the subject of an act."""
    if found := _APPLICANT.fullmatch(act["subject"]):
        return rendering.to("applicant.show", vendor=found[1], environment=found[2], reference=found[3])
    if not (found := _OTHER.fullmatch(act["subject"])):
        return None
    if found[1] == "user":
        return rendering.to("person.show", external_user_id=found[2])
    return rendering.to(f"{found[1]}.show", **{f"{found[1]}_id": found[2]})


ACTS = ListPage(
    title="Audit",
    call=("audit",),
    about="What persons with a right did, and why, and which calls they were refused. Acts that name a restricted applicant are left out.",
    empty="No act is recorded yet.",
    command="standing audit list",
    always={"order": "newest"},
    filters=(
        Filter(name="actor", label="Who"),
        Filter(name="action", label="Did what", hint="such as: read a body"),
        Filter(name="since", label="Since (UTC)", is_time=True),
        Filter(name="vendor", label="About an applicant: vendor", choices=tuple(VENDORS)),
        Filter(name="reference", label="and reference"),
        Filter(name="external_user_id", label="About a person: your own id"),
    ),
    columns=(
        Column(name="at", label="When", kind="time"),
        Column(name="actor", label="Who"),
        Column(name="action", label="Did what"),
        Column(name="subject", label="To what", link=address),
        Column(name="reason", label="Why"),
        Column(name="touched", label="How many", kind="number"),
        Column(name="os_user", label="Account"),
        Column(name="id", label="Act", kind="number"),
        Column(name="id", label="Proof", kind="proof", link=lambda act: rendering.to("proofs.of_act", act_id=str(act["id"]))),
    ),
)


@blueprint.get("/audit")
@guard.needs(Right.OPERATE)
def show() -> Response:
    """Return the acts that match."""
    return lists.show(ACTS)
