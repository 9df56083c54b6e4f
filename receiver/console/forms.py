"""Forms: what a person typed, as the API takes it, and what a refusal leaves on the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import rendering
from receiver.console.api import Refused
from receiver.console.lists import moment

#: Refusals that a person can repair on the page of the form: what was typed, the state of the thing; and where another must act, who acts.
REPAIRABLE = (400, 409)
REPAIRABLE_BY_ANOTHER = (*REPAIRABLE, 403)

#: The fields that name a user, or one applicant.
SUBJECT = ("external_user_id", "vendor", "reference")

#: How many applicants may change, unless a person allows more.
CHANGES_MAX = 100

#: Numbers as a person types them.
WHOLE, DECIMAL = re.compile(r"\d{1,18}", re.ASCII), re.compile(r"\d{0,18}\.\d{1,18}", re.ASCII)


def typed(*names: str) -> dict[str, str | None]:
    """Return fields of the form; None for one that is empty."""
    return {name: request.form.get(name, "").strip() or None for name in names}


def reason() -> str:
    """Return the reason that a person typed; empty if there is none, which the API refuses."""
    return request.form.get("reason", "").strip()


def times(*names: str) -> dict[str, str | None]:
    """Return fields of the form that hold times, as the API takes them; None for one that is empty."""
    return {name: moment(text) if text else None for name, text in typed(*names).items()}


def ticked(*names: str) -> dict[str, bool]:
    """Return whether each box of the form is ticked."""
    return {name: name in request.form for name in names}


def number(text: str) -> float | int | str:
    """Return the number that a person typed; any other text as it is, so that the API refuses it by the field's name."""
    return int(text) if WHOLE.fullmatch(text) else float(text) if DECIMAL.fullmatch(text) else text


def shown(**given: object) -> dict[str, str]:
    """Return what fields of a page hold: what was typed, else what the address names, else what is given."""
    return {name: str(value) for name, value in given.items()} | request.values.to_dict()


def attempt(
    act: Callable[[], AnyResponse], again: Callable[[Refused], AnyResponse], repairable: tuple[int, ...] = REPAIRABLE
) -> AnyResponse:
    """Return the answer of an act; where the API refuses it and a person can repair that, what `again` returns. Raises Refused."""
    try:
        return act()
    except Refused as refused:
        if refused.status not in repairable:
            raise
        return again(refused)


def page(template: str, refused: Refused | None = None, **content: Any) -> Response:
    """Return a page with a form; after a refusal with its status, and with why as `wrong`."""
    status, wrong = (refused.status, refused.detail) if refused else (200, "")
    return rendering.page(template, status, wrong=wrong, **content)
