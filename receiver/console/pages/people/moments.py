"""Moments of an applicant's history: what a browser's field for a time gives, and what it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from receiver.console import lists
from store.system import clock

#: The API shows milliseconds and keeps more: a moment that has a change is up to one later than what is shown.
_NEXT = timedelta(milliseconds=1)


class Slider(NamedTuple):
    """The moments after each change, as JSON; how many there are, and at which the page is."""

    times: str
    last: int
    place: int
    #: The moment of the page, for the field; empty: now.
    field: str


def given(text: str) -> str | None:
    """Return a moment of the address as the API takes it, in UTC; None if none is given. What is no moment the API refuses."""
    moment = lists.moment(text.strip())
    with suppress(ValueError):
        return _read(moment).isoformat().replace("+00:00", "Z")
    return moment or None


def after(time: str) -> str:
    """Return the moment right after a change, as a browser's field takes it."""
    return _as_field(_read(time) + _NEXT)


def is_known(time: str, at: str | None) -> bool:
    """Return whether a change was known at a moment."""
    return at is None or _read(time) <= _read(at)


def slider(times: Sequence[str], at: str | None) -> Slider:
    """Return the moments after each change, and at which of them a page is."""
    moments = sorted({after(time) for time in times})
    known = [moment for moment in moments if at is None or _read(f"{moment}Z") <= _read(at)]
    return Slider(json.dumps(moments), max(len(moments) - 1, 0), max(len(known) - 1, 0), _as_field(_read(at)) if at else "")


def _read(time: str) -> datetime:
    # A plus sign that an address does not encode is read as a space.
    return clock.parse_rfc3339(time.replace(" ", "+"))


def _as_field(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
