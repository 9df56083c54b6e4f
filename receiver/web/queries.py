"""Queries and bodies, checked; lists, paged; work, within a deadline: what all calls of the API share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Response, request
from msgspec import Meta
from sqlalchemy import Connection

from receiver.web import cursors, request_body
from receiver.web.problems import Problem
from store import database
from store.privacy.restoring import gate
from store.system import clock
from store.system.deadlines import DeadlineExecutor
from store.text import safe_text
from store.text.names import NAME_CHARS_MAX, is_name, is_storable
from store.text.safe_text import REASON_CHARS_MAX, is_reason
from store.text.states import ApplicantKey, VendorEnvironment

Query = TypeVar("Query", bound=msgspec.Struct)
Row = TypeVar("Row")
T = TypeVar("T")

#: A call is answered within this time, or told that it cannot be: a database that hangs must not take the threads along.
ANSWER_SECONDS = 1.6

_readers = DeadlineExecutor("read", 8)

#: A call that looks through everything is answered within this time. A few run at a time, and take no thread from the others.
LONG_SECONDS = 50.0

_long_readers = DeadlineExecutor("long", 2)

#: Numbers in cursors: what the database's columns can hold.
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
StoredName = Annotated[str, Meta(max_length=NAME_CHARS_MAX, pattern=r"^[^\x00]*$")]

#: What a query may hold: something.
Text = Annotated[str, Meta(min_length=1)]
#: A moment that a body or a cursor names.
AwareMoment = Annotated[datetime, Meta(tz=True)]
TimeText = Annotated[str, Meta(min_length=1, extra_json_schema={"format": "date-time"})]

#: A number of minutes, hours or days.
Period = Annotated[str, Meta(max_length=6, pattern=f"^{clock.PERIOD.pattern}$")]

#: What may be quoted of a name that somebody sent.
FIELD = re.compile(r"[a-z_]{1,40}")

#: Why somebody does something, for others to read: nothing in it moves a terminal's cursor, hides, or turns the text around.
Reason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=REASON_CHARS_MAX,
        pattern=safe_text.SHOWABLE_WORDS,
        description="Why. It is recorded, and shown. Not blank.",
    ),
]

Limit = Annotated[int, Meta(ge=1, le=500, description="How many entries to answer with.")]

Cursor = Annotated[Text | None, Meta(description="`next_cursor` of the page before.")]


class One(msgspec.Struct, forbid_unknown_fields=True):
    """A query about one thing."""

    environment: Annotated[VendorEnvironment, Meta(description="Which of the vendor's environments.")] = VendorEnvironment.LIVE


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No query."""


class Page(One, forbid_unknown_fields=True):
    """A query about a list."""

    limit: Limit = 50
    cursor: Cursor = None


class ListOrder(StrEnum):
    """Which end of a list its first page has."""

    OLDEST = "oldest"
    NEWEST = "newest"


class OrderedPage(Page, forbid_unknown_fields=True):
    """A query about a list that has two orders."""

    order: Annotated[ListOrder, Meta(description="Which entries come first. A cursor goes on in the order that is given with it.")] = (
        ListOrder.OLDEST
    )

    def portion(self, after: Any) -> dict[str, Any]:
        """Return which part of the list is wanted, after a place: one row more than the limit, to know whether there is more."""
        return {"after": after, "newest_first": self.order == ListOrder.NEWEST, "limit": self.limit + 1}


def read(work: Callable[[Connection], T]) -> T:
    """Return what the work reads from the database, within the deadline. Raises what becomes a 503."""
    return _within_deadline(lambda: database.read(work))


def write(work: Callable[[Connection], T]) -> T:
    """Return what the work returns, committed, within the deadline. The work must be safe to run twice. Raises what becomes a 503."""
    return _within_deadline(lambda: database.write(work))


def read_long(work: Callable[[Connection], T]) -> T:
    """Return what the work reads, as `read`, where it looks through everything."""
    return _within_deadline(lambda: database.read(work), _long_readers, LONG_SECONDS)


def write_long(work: Callable[[Connection], T]) -> T:
    """Return what the work returns, committed, as `write`, where it writes much."""
    return _within_deadline(lambda: database.write(work), _long_readers, LONG_SECONDS)


def run_long(work: Callable[[], T]) -> T:
    """Return what the work returns, which reads and writes in transactions of its own, within the deadline of `write_long`."""
    return _within_deadline(work, _long_readers, LONG_SECONDS)


def _within_deadline(work: Callable[[], T], executor: DeadlineExecutor = _readers, seconds: float = ANSWER_SECONDS) -> T:
    def behind_the_gate() -> T:
        gate.require_open()
        return work()

    try:
        return executor.run(seconds, behind_the_gate)
    except gate.Closed as closed:
        raise Problem(503, f"Nothing is shown yet: {closed}.") from closed


def key(vendor: str, environment: str, reference: str) -> ApplicantKey:
    """Return the key of an applicant. Raises a problem where nothing can have this name."""
    if not (is_name(vendor) and is_name(reference)):
        raise Problem(404, "No applicant has this name.")
    return ApplicantKey(vendor, environment, reference)


def query(shape: type[Query]) -> Query:
    """Return the request's query. Raises a problem that names the wrong parameter, and does not quote it."""
    given = {name: values[0] for name, values in request.args.lists()}
    for name, values in request.args.lists():
        if len(values) > 1 or not values[0] or not is_storable(values[0]):
            raise wrong(name)
    try:
        found = msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        match = re.search(r"\$\.(\w+)|field `(\w+)`", str(error))
        raise wrong((match[1] or match[2]) if match else "") from error
    if not _has_sane_reason(found):
        raise wrong("reason")
    names = {field.encode_name: field.name for field in msgspec.structs.fields(shape)}
    # The word `null` would be taken for None by whatever is no text.
    if unset := next((name for name in given if getattr(found, names[name]) is None), None):
        raise wrong(unset)
    return found


def body(shape: type[Query]) -> Query:
    """Return the request's body, a JSON object; an empty one is none. Raises a problem that names the wrong field."""
    return decoded(request_body.body() or b"{}", shape)


def decoded(content: bytes, shape: type[Query]) -> Query:
    """Return a JSON object that a body is or holds. Raises a problem that names the wrong field."""
    try:
        found = msgspec.json.decode(content, type=shape)
    except msgspec.ValidationError as error:
        match = re.search(r"\$\.(\w+)|unknown field `(\w+)`|field `(\w+)`", str(error))
        named = next((part for part in match.groups() if part), "") if match else ""
        raise Problem(400, f"Invalid value for '{named}' in the body." if FIELD.fullmatch(named) else "Invalid body.") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Problem(400, "The body must be a JSON object.") from error
    if not _has_sane_reason(found):
        raise Problem(400, "Invalid value for 'reason' in the body.")
    return found


def _has_sane_reason(given: msgspec.Struct) -> bool:
    reason = getattr(given, "reason", None)
    return reason is None or is_reason(reason)


def filters(query: msgspec.Struct) -> dict[str, Any]:
    """Return what a query asks for, without its place in a list."""
    given = msgspec.structs.asdict(query)
    return {name: value for name, value in given.items() if value is not None and name not in ("limit", "cursor", "order")}


def moment(name: str, text: str | None) -> datetime | None:
    """Return the time of a query's parameter."""
    try:
        # A plus sign that the client did not encode arrives as a space.
        return clock.parse_rfc3339(text.replace(" ", "+")) if text else None
    except ValueError as error:
        raise wrong(name) from error


def page(
    rows: Sequence[Row],
    limit: int,
    *,
    place: Callable[[Row], list[Any]],
    describe: Callable[[Row], dict[str, Any]],
    extra_fields: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """Return a page of a list, with extra fields. The query asked for one row more than the limit, to know whether there is more."""
    more = len(rows) > limit
    shown = rows[:limit]
    reached = cursors.encode(place(shown[-1])) if more else None
    return answer({"data": [describe(row) for row in shown], "next_cursor": reached, "has_more": more, **extra_fields})


def answer(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status=status, content_type="application/json")


def wrong(name: str) -> Problem:
    """Return the problem of a query with one invalid parameter."""
    return Problem(400, f"Invalid query parameter '{name}'." if FIELD.fullmatch(name) else "Invalid query parameter.")
