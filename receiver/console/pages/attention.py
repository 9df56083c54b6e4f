"""The first page: what `standing status` says, what needs a person first; each line links on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask import Blueprint, Response, g

from receiver.console import guard, rendering
from receiver.console.lists import Row
from receiver.web.auth import Right

blueprint = Blueprint("attention", __name__)

#: Which page shows more, by the beginning of the command that a line names.
PAGES = {
    "review": "review.show",
    "reversals": "reversals.show",
    "failed": "events.show_failed",
    "events": "events.show",
    "reactions": "reactions.show",
    "notify": "reactions.show",
    "secrets": "vendors.show",
    "refusals": "vendors.show",
    "replays": "replays.show",
    "reconcile": "reconcile.show",
    "erasures": "privacy.show",
    "holds": "privacy.show",
    "retention": "privacy.show",
    "decisions": "review.show",
    "log": "log.show",
}

#: Which page shows more of what a line is about, where it names no command.
ABOUT = {"log": "log.show", "checkpoints": "log.show"}

#: The worst first.
ORDER = ("wrong", "look", "ok")


@blueprint.get("/")
@guard.needs(Right.READ)
def show() -> Response:
    """Return every line, the worst first."""
    lines = g.api.get("status", environment=rendering.environment())["data"]
    return rendering.page("attention.html", lines=[line | {"page": _page(line)} for line in worst_first(lines)])


def worst_first(lines: Iterable[Row]) -> list[Row]:
    """Return lines of the status in the order in which a person reads them."""
    return sorted(lines, key=lambda line: ORDER.index(line["verdict"]))


def _page(line: Row) -> str | None:
    named = re.match(r"standing ([a-z]+)", line["look"])
    endpoint = PAGES.get(named[1]) if named else ABOUT.get(line["about"])
    return rendering.to(endpoint) if endpoint else None
