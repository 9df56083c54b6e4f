"""The overview: deliveries, verdicts and reversals by day, and what waits now."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Blueprint, Response, g, request

from receiver.console import guard, rendering
from receiver.console.pages.reports import figures
from receiver.console.pages.reports.figures import Wanted
from receiver.vendors import VENDORS
from receiver.web.auth import Right

blueprint = Blueprint("overview", __name__)

DAYS = 30

WANTED = (
    Wanted(
        title="Deliveries",
        fields={"deliveries": "kept", "duplicates": "duplicates"},
        one="delivery",
        many="deliveries",
        means="Authentic deliveries, by the day on which they came.",
    ),
    Wanted(
        title="Verdicts",
        fields={"approved": "approved", "rejected": "rejected", "needs_review": "needs review", "other": "other statuses"},
        one="verdict",
        many="verdicts",
        means="Changes to these statuses, by the day on which this service made them.",
    ),
    Wanted(
        title="Reversals",
        fields={"adverse": "adverse", "favourable": "reinstated", "other_reversals": "others"},
        one="reversal",
        many="reversals",
        means="Adverse: an approval fell. Others: an approval is looked at again, ran out, or was set aside.",
    ),
)

#: What waits: a count of the API, what it is called, and the page about it.
WAITING: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    ("needs_review", "Applicants in doubt", "review.show", {}),
    ("pending", "Events to be handled, of both environments", "events.show", {"status": "pending"}),
    ("dead_letters", "Dead letters", "events.show_failed", {}),
    ("unreadable", "Events that could not be understood", "events.show", {"status": "unreadable"}),
    ("reactions", "Reactions that gave up", "reactions.show", {"status": "failed"}),
)


@blueprint.get("/overview")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the charts, stacked by vendor or by kind, of all vendors or of one."""
    found = g.api.get("overview", environment=rendering.environment(), days=DAYS)
    vendor, by_vendor = request.args.get("vendor", ""), request.args.get("by") != "kind"
    rows, days = [row for row in found["days"] if vendor in ("", row["vendor"])], _days(found["first_day"], found["last_day"])
    charts = [figures.figure(one, rows, days, by_vendor=by_vendor and not vendor) for one in WANTED]
    waiting = [(says, found["waiting"][name], rendering.to(page, **filters)) for name, says, page, filters in WAITING]
    return rendering.page("overview.html", charts=charts, waiting=waiting, vendors=VENDORS, vendor=vendor, by_vendor=by_vendor)


def _days(first: str, last: str) -> list[str]:
    begins = date.fromisoformat(first)
    return [(begins + timedelta(days=place)).isoformat() for place in range((date.fromisoformat(last) - begins).days + 1)]
