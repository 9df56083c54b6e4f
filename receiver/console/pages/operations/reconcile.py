"""Reconcile: where each vendor's answers drift from what is kept here, and asking a vendor now."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, lists, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, ListPage, Row
from receiver.console.pages.people import addresses
from receiver.vendors import VENDORS
from receiver.web.auth import Right
from store.text.counts import counted

blueprint = Blueprint("reconcile", __name__)

#: States in which a worker asks, or is about to: the page is read again.
BUSY = ("requested", "running")

NEVER = {"state": "ended", "begun_at": None, "wanted": None}

FINDINGS = (
    Column(name="reference", label="Applicant", link=addresses.applicant),
    Column(name="ours", label="Here", kind="status"),
    Column(name="ours_since", label="Since", kind="time"),
    Column(name="theirs", label="At the vendor", kind="status"),
    Column(name="theirs_since", label="Since", kind="time"),
    Column(name="drifts", label="Drifts"),
    Column(name="repair", label="A repair leads to", kind="status"),
    Column(name="says", label="The vendor says"),
    Column(name="event_id", label="Repaired by", link=addresses.event),
    Column(name="found_at", label="Found", kind="time"),
)


@blueprint.get("/reconcile")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the last run of each vendor, whether one is running, and the form that asks for another."""
    return _page()


@blueprint.get("/reconcile/<name:vendor>")
@guard.needs(Right.READ)
def show_findings(vendor: str) -> Response:
    """Return what the last run of a vendor found."""
    if vendor not in VENDORS:
        raise NotFound  # The page's command and the CSV's file name repeat the name: it is one of ours.
    return lists.show(_findings(vendor))


@blueprint.post("/reconcile")
@guard.needs(Right.OPERATE)
def ask() -> AnyResponse:
    """Have a worker ask a vendor and, where the form says so, repair what drifts."""

    def act() -> AnyResponse:
        g.api.post("reconciliations", body=_wanted() | {"environment": rendering.environment()})
        return rendering.done("reconcile.show", "A worker asks the vendor.")

    return forms.attempt(act, _page)


def says(run: Row) -> tuple[str, str]:
    """Return how far a vendor's reconciliation is, as a word and a sentence that says what to do next."""
    if run["state"] == "requested":
        return "requested", "A worker is about to ask."
    if run["state"] == "running":
        return "running", f"A worker asks: {counted(run['asked'], 'applicant')} so far, of which {run['drifted']} drift."
    if run["state"] == "interrupted":
        return "interrupted", "The process that asked was not heard of for 15 minutes. Ask again."
    if run["begun_at"] is None:
        return "unknown", "It was never asked. Ask now, or have it asked by a schedule: RECONCILE_VENDORS."
    if run["said"]:
        return "look", f"It stopped early: {run['said']}. Look at what was found, then ask again."
    return _result(run)


def _result(run: Row) -> tuple[str, str]:
    asked = f"{counted(run['asked'], 'applicant')} asked about"
    left = run["drifted"] - run["repaired"]
    if left > 0:
        return "look", f"{asked}, {left} drift and are not repaired. Look at them, then ask and repair."
    if run["drifted"]:
        return "ok", f"{asked}, {run['drifted']} drifted, and all are repaired."
    if run["is_unclear"]:
        return "look", f"{asked}. None drifts, but some answers were not clear: look at what was found."
    return "ok", f"{asked}, and none drifts."


def _page(refused: Refused | None = None) -> Response:
    runs = {one["vendor"]: one for one in g.api.get("reconciliations", environment=rendering.environment())["data"]}
    shown = [_with_unclear(runs[vendor]) if vendor in runs else NEVER | {"vendor": vendor} for vendor in VENDORS]
    content = {"runs": shown, "busy": any(run["state"] in BUSY for run in shown), "says": says}
    return forms.page("operations/reconcile.html", refused, given=forms.shown(max_changes=forms.CHANGES_MAX), vendors=VENDORS, **content)


def _with_unclear(run: Row) -> Row:
    """Return a run, and whether it found something although nothing drifts: an answer that was not clear."""
    if run["drifted"] or run["state"] != "ended":
        return run | {"is_unclear": False}
    found = g.api.get("reconciliations", run["vendor"], "findings", environment=run["environment"], limit=1)
    return run | {"is_unclear": bool(found["data"])}


def _wanted() -> dict[str, Any]:
    """Return what the form says, in the words of the API."""
    form = request.form
    wanted: dict[str, Any] = {"vendor": form.get("vendor", ""), "reason": forms.reason(), "references": form.get("references", "").split()}
    wanted |= {name: value for name, value in forms.times("since").items() if value}
    wanted |= {name: forms.number(text) for name, text in forms.typed("max_changes").items() if text}
    return wanted | {"repair": form.get("act") == "repair"}


def _findings(vendor: str) -> ListPage:
    return ListPage(
        title=f"Drift at {vendor}",
        call=("reconciliations", vendor, "findings"),
        about="Applicants for which the last answers of the vendor drift from what is kept here, or are not clear.",
        empty="The last run found nothing that drifts, or the vendor was never asked.",
        command=f"standing reconcile {vendor} --all",
        columns=FINDINGS,
        template="operations/findings.html",
    )
