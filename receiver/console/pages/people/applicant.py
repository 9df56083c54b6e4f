"""An applicant: its status and why, what was said about it, what changed, and what a person can do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.pages.people import commands, moments, personal_data
from receiver.web.auth import Right

blueprint = Blueprint("applicant", __name__)

#: Events of a page of the timeline; changes in the history; verifications that were started here.
EVENTS, CHANGES_MAX, STARTS_MAX = 100, 500, 20

#: What a person may decide: the API's word, and what it makes of the applicant.
RULINGS = (("approve", "approved"), ("reject", "rejected"), ("resubmit", "asked to send again"))


@blueprint.get("/applicants/<name:vendor>/<name:reference>")
@guard.needs(Right.READ)
def show(vendor: str, reference: str) -> Response:
    """Return the applicant as it is, or as it was known at a moment."""
    return page(vendor, reference)


def page(vendor: str, reference: str, refused: Refused | None = None) -> Response:
    """Return an applicant's page; after a form that was refused with the reason, and with what was typed."""
    at = moments.given(request.args.get("at", ""))
    try:
        found = _get(vendor, reference, "explanation", at=at, limit=EVENTS, cursor=request.args.get("cursor"))
    except Refused as absent:
        if absent.status not in (404, 410):
            raise
        return rendering.page("people/absent.html", absent.status, vendor=vendor, reference=reference, problem=absent.problem, at=at)
    changes = _get(vendor, reference, "history", limit=CHANGES_MAX)
    applicant = found["applicant"]
    return forms.page(
        "people/applicant.html",
        refused,
        found=found,
        applicant=applicant,
        at=at,
        slider=moments.slider([change["at"] for change in changes["data"]], at),
        changes=[change | {"moment": moments.after(change["at"])} for change in changes["data"] if moments.is_known(change["at"], at)],
        more_changes=changes["has_more"],
        starts=_starts(applicant) if guard.may(Right.START) and not at else [],
        rulings=RULINGS,
        personal={} if at else personal_data.about(**{name: applicant[name] for name in ("external_user_id", "vendor", "reference")}),
        is_own=guard.is_own((applicant.get("decision") or {}).get("by", "")),
        command=commands.about_applicant("explain", applicant, at),
        typed=request.form,
    )


def _get(vendor: str, reference: str, part: str, **query: Any) -> Any:
    return g.api.get("applicants", vendor, reference, part, environment=rendering.environment(), **query)


def _starts(applicant: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the verifications that were started here for an applicant, and those of its person that have no reference yet."""
    whose = applicant["external_user_id"]
    if not whose:
        return []
    query = {"external_user_id": whose, "vendor": applicant["vendor"], "environment": rendering.environment()}
    found = g.api.get("verifications", order="newest", limit=STARTS_MAX, **query)["data"]
    return [one for one in found if one["reference"] in (applicant["reference"], None)]
