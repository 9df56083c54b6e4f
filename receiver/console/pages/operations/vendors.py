"""Vendors: how each one's deliveries arrive, in sentences that say what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask import Blueprint, Response, g

from receiver.console import guard, rendering
from receiver.console.lists import Row
from receiver.web.auth import Right
from store.text.counts import counted
from store.text.safe_text import plain
from store.text.states import Flag, Outcome

blueprint = Blueprint("vendors", __name__)


class Note(NamedTuple):
    """A sentence about a vendor: how it is to be taken, and the page that shows more."""

    verdict: str
    says: str
    link: str = ""
    address: str = ""


@blueprint.get("/vendors")
@guard.needs(Right.READ)
def show() -> Response:
    """Return a card for each vendor that is configured, or that something was heard of."""
    vendors = g.api.get("vendors", environment=rendering.environment())["data"]
    return rendering.page("operations/vendors.html", vendors=[one | {"notes": list(notes(one))} for one in vendors])


def notes(vendor: Row) -> Iterator[Note]:
    """Yield what there is to say about a vendor: its deliveries, then what is refused, then what is not understood."""
    yield from _arrival(vendor)
    yield from _refusals(vendor)
    yield from _contents(vendor)


def _arrival(vendor: Row) -> Iterator[Note]:
    if not vendor["configured"]:
        yield Note("look", "It has no signing secret in this environment, so each of its deliveries is refused.")
    elif not vendor["last_delivery_at"]:
        yield Note("look", "No authentic delivery in the last days. Is this address entered in the vendor's dashboard, with this secret?")
    elif vendor["silent"]:
        missing = counted(vendor["missing"], "delivery", "deliveries")
        says = f"Silent: {missing} would usually have come since the last one. Look at the vendor's dashboard, then reconcile."
        yield Note("look", says, "Reconcile", rendering.to("reconcile.show", vendor=vendor["vendor"]))
    else:
        yield Note("ok", "Deliveries arrive.")
    if vendor["last_delivery_at"]:
        yield Note("", _pace(vendor))


def _pace(vendor: Row) -> str:
    lately = f"{counted(vendor['last_hour'], 'delivery', 'deliveries')} in the last hour"
    if vendor["usual_hour"] is None:
        return f"{lately}. What is usual is known after a day."
    return f"{lately}; {vendor['usual_hour']:,g} are usual at this time of day."


def _refusals(vendor: Row) -> Iterator[Note]:
    if vendor["refused_in_a_surge"]:
        part = f"{vendor['refused']:,} of {vendor['answered']:,} deliveries of the last 10 minutes were refused"
        yield Note("wrong", f"{part}: an attack, or a secret was changed on one side alone. Compare the secrets.")
    if vendor["too_large"]:
        large = counted(vendor["too_large"], "signed delivery was", "signed deliveries were")
        yield Note("look", f"{large} larger than MAX_BODY_BYTES in the last day, and refused. Raise that limit.")


def _contents(vendor: Row) -> Iterator[Note]:
    if vendor["not_understood"]:
        approvals = counted(vendor["not_understood"], "approval")
        says = f"{approvals} of the last day NOT_UNDERSTOOD: a changed format, or a word of no table. Each waits for a person."
        address = rendering.to("applicants.show", vendor=vendor["vendor"], flag=Flag.NOT_UNDERSTOOD.value)
        yield Note("look", says, "The applicants", address)
    for one in vendor["unknown_types"]:
        says = f"{counted(one['count'], 'event')} of an unknown type in the last week: {plain(one['event_type'])}. They change nothing."
        address = rendering.to("events.show", vendor=vendor["vendor"], status=Outcome.IGNORED.value, event_type=one["event_type"])
        yield Note("look", says, "The events", address)
    if vendor["news_of_erased"]:
        yield Note(
            "look", f"{counted(vendor['news_of_erased'], 'event')} of the last day about erased applicants, erased once they were read."
        )
