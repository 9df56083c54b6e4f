"""Personal data: erasures that are open about a person or an applicant, and holds in force. Privacy officers alone see them."""

from __future__ import annotations

from collections.abc import Iterator

from flask import g

from receiver.console import guard, rendering
from receiver.console.lists import Row
from receiver.web.auth import Right
from store.privacy.erasing.erasures import AHEAD, Stage

#: The statuses of an erasure that is not over.
OPEN = (Stage.REQUESTED, *AHEAD)


def about(*, external_user_id: str | None = None, vendor: str | None = None, reference: str | None = None) -> dict[str, list[Row]]:
    """Return the `erasures` and the `holds` that name a person, or one applicant of that person. Officers alone may ask."""
    if not guard.may(Right.PRIVACY):
        return {"erasures": [], "holds": []}

    named: list[dict[str, object]] = [{"external_user_id": external_user_id}] if external_user_id else []
    named += [{"vendor": vendor, "reference": reference}] if reference else []
    return {
        "erasures": [row for whose in named for status in OPEN for row in _all("erasures", status=status, **whose)],
        "holds": [row for whose in named for row in _all("holds", **whose)],
    }


def _all(call: str, **query: object) -> Iterator[Row]:
    rows: Iterator[Row] = g.api.rows(call, environment=rendering.environment(), limit=500, **query)
    return rows
