"""What the API's calls have in common: a right, a query that is checked, a list that is paged."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from flask import Response, request
from msgspec import Meta

from receiver.problems import Problem
from store import clock
from store.names import is_storable

Query = TypeVar("Query", bound=msgspec.Struct)
Row = TypeVar("Row")

World = Literal["live", "sandbox"]
Limit = Annotated[int, Meta(ge=1, le=500, description="How many entries to answer with.")]


class One(msgspec.Struct, forbid_unknown_fields=True):
    """A query about one thing."""

    environment: Annotated[World, Meta(description="The world it belongs to.")] = "live"


class Page(One, forbid_unknown_fields=True):
    """A query about a list."""

    limit: Limit = 50
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before.")] = None


def query(shape: type[Query]) -> Query:
    """The request's query. Raises a problem that names what cannot be right, and does not quote it."""
    given = {name: values[0] for name, values in request.args.lists()}
    for name, value in given.items():
        if not is_storable(value):
            raise _wrong(name)
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        match = re.search(r"\$\.(\w+)|unknown field `(\w+)`", str(error))
        raise _wrong((match[1] or match[2]) if match else "") from error


def moment(name: str, text: str | None) -> datetime | None:
    """A query's time."""
    try:
        return clock.parse_rfc3339(text.replace(" ", "+")) if text else None
    except ValueError as error:
        raise _wrong(name) from error


def page(rows: Sequence[Row], limit: int, *, place: Callable[[Row], list[Any]], describe: Callable[[Row], dict[str, Any]]) -> Response:
    """A page of a list: one row more than the limit was asked for, to know whether there is more."""
    more = len(rows) > limit
    shown = rows[:limit]
    return answer(
        {"data": [describe(row) for row in shown], "next_cursor": encode_cursor(place(shown[-1])) if more else None, "has_more": more}
    )


def answer(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, content_type="application/json")


def encode_cursor(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str | None, shape: type[Row]) -> Row | None:
    """The place that a cursor stands for. Raises a problem."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True), type=shape)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise _wrong("cursor") from error


def _wrong(name: str) -> Problem:
    named = f"The query parameter '{name}'" if re.fullmatch(r"[a-z_]{1,40}", name) else "A query parameter"
    return Problem(400, f"{named} cannot be right.")
