"""Applicants: the search."""

from __future__ import annotations

from flask import Blueprint, g, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Filter, ListPage
from receiver.console.pages.people import addresses
from receiver.vendors import VENDORS
from receiver.web.auth import Right
from store.text.states import HITS, Flag, Status

blueprint = Blueprint("applicants", __name__)

APPLICANTS = ListPage(
    title="Applicants",
    call=("applicants",),
    about="Every applicant with its status, the last changed first. Restricted ones are left out.",
    empty="No applicant is known. The first webhook of a vendor, or a verification that is started here, makes one.",
    command="standing applicants list",
    always={"order": "newest"},
    filters=(
        Filter(name="reference", label="Reference", hint="the vendor's id"),
        Filter(name="external_user_id", label="Your own id"),
        Filter(name="vendor", label="Vendor", choices=tuple(VENDORS)),
        Filter(name="status", label="Status", choices=tuple(Status)),
        Filter(name="hit", label="Hit", choices=HITS),
        Filter(name="flag", label="Flag", choices=tuple(Flag)),
        Filter(name="updated_after", label="Changed after (UTC)", is_time=True),
        Filter(name="updated_before", label="Changed before (UTC)", is_time=True),
    ),
    columns=(
        Column(name="reference", label="Reference", link=addresses.applicant),
        Column(name="vendor", label="Vendor"),
        Column(name="external_user_id", label="Your id", link=addresses.person),
        Column(name="status", label="Status", kind="status"),
        Column(name="hits", label="Hits"),
        Column(name="flags", label="Flags"),
        Column(name="reasons", label="Reasons"),
        Column(name="updated_at", label="Changed", kind="time"),
    ),
    template="people/applicants.html",
)


@blueprint.get("/applicants")
@guard.needs(Right.READ)
def show() -> AnyResponse:
    """Return the applicants that match. A reference alone leads to its applicant, if one vendor has it."""
    given = {name: value.strip() for name, value in request.args.items() if value.strip() and name != "environment"}
    vendors = _vendors_of(given["reference"]) if set(given) == {"reference"} else []
    if len(vendors) == 1:
        return redirect(rendering.to("applicant.show", vendor=vendors[0], reference=given["reference"]), 303)
    return lists.show(APPLICANTS)


def _vendors_of(reference: str) -> list[str]:
    """Return the vendors that have an applicant of this reference; where none is listed, those where it is restricted or was erased."""
    found = g.api.get("applicants", reference=reference, environment=rendering.environment(), limit=2)["data"]
    return [one["vendor"] for one in found] or [vendor for vendor in VENDORS if _has_had(vendor, reference)]


def _has_had(vendor: str, reference: str) -> bool:
    try:
        g.api.get("applicants", vendor, reference, environment=rendering.environment())
    except Refused as refused:
        return refused.status != 404
    return True
