"""What downstream reads, and the few things it may do. The reader's side of the contract, section 6."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta
from sqlalchemy import Connection

from receiver.vendors import VENDORS
from receiver.web import auth, queries
from receiver.web.auth import Right
from receiver.web.problems import Problem
from receiver.web.queries import One, Page
from store import audit
from store.applicants import explanations, feed, links
from store.applicants import history as store_history
from store.applicants import table as applicants
from store.applicants.links import NeedsOperator
from store.applicants.table import Applicant
from store.inbox import claims, events, wakeup
from store.inbox.encryption import Unopenable
from store.states import HITS, Outcome, Status
from store.system.names import EVENT_ID, NAME_CHARS_MAX, is_name

blueprint = Blueprint("api", __name__, url_prefix="/v1")

AwareMoment = Annotated[datetime, Meta(tz=True)]

Vendor = StrEnum("Vendor", {name: name for name in VENDORS})  # type: ignore[misc]
Hit = StrEnum("Hit", {name: name for name in HITS})  # type: ignore[misc]


class ApplicantsQuery(Page, forbid_unknown_fields=True):
    external_user_id: Annotated[queries.Text | None, Meta(description="Whose applicants: your own id.")] = None
    vendor: Vendor | None = None
    status: Status | None = None
    hit: Annotated[Hit | None, Meta(description="What their latest verdict or an open alert names.")] = None
    updated_after: Annotated[queries.TimeText | None, Meta(description="RFC 3339; changed later than this.")] = None


class ApplicantQuery(One, forbid_unknown_fields=True):
    at: Annotated[queries.TimeText | None, Meta(description="RFC 3339: as this service knew it at that moment.")] = None


class EventsQuery(Page, forbid_unknown_fields=True):
    vendor: Vendor | None = None
    status: Outcome | None = None
    reference: Annotated[queries.Text | None, Meta(description="Which applicant they named.")] = None
    received_after: Annotated[queries.TimeText | None, Meta(description="RFC 3339; received later than this.")] = None


class Link(msgspec.Struct):
    external_user_id: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, description="Your own id of the person.")]


# applicants ---------------------------------------------------------------------------------------------------


@blueprint.get("/applicants/<name:vendor>/<name:reference>")
def applicant(vendor: str, reference: str) -> Response:
    """Where an applicant stands."""
    auth.require(Right.READ)
    query = queries.query(ApplicantQuery)
    key, at = queries.key(vendor, query.environment, reference), queries.moment("at", query.at)
    found = queries.read(lambda connection: store_history.as_known(connection, key, at))
    if found is None:
        raise _unknown_applicant()
    answer = queries.answer(found)
    answer.add_etag()
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.make_conditional(request)
    return answer


@blueprint.get("/applicants")
def list_applicants() -> Response:
    """Applicants, in the order of their last change."""
    auth.require(Right.READ)
    query = queries.query(ApplicantsQuery)
    updated_after = queries.moment("updated_after", query.updated_after)
    after = queries.decode_cursor(query.cursor, tuple[AwareMoment, queries.StoredName, queries.StoredName])
    rows = queries.read(
        lambda connection: applicants.listing(
            connection,
            environment=query.environment,
            external_user_id=query.external_user_id,
            vendor=query.vendor,
            status=query.status,
            hit=query.hit,
            updated_after=updated_after,
            after=after,
            limit=query.limit + 1,
        )
    )
    return queries.page(rows, query.limit, place=lambda row: [row.updated_at, row.vendor, row.reference], describe=applicants.describe)


@blueprint.get("/applicants/<name:vendor>/<name:reference>/explanation")
def explanation(vendor: str, reference: str) -> Response:
    """Why an applicant stands where it stands: the grounds, and all that was said, in the vendor's order, with what became of it."""
    auth.require(Right.READ)
    query = queries.query(One)
    key = queries.key(vendor, query.environment, reference)
    found = queries.read(lambda connection: explanations.explain(connection, key))
    if found is None:
        raise _unknown_applicant()
    return queries.answer(found)


@blueprint.get("/applicants/<name:vendor>/<name:reference>/history")
def history(vendor: str, reference: str) -> Response:
    """An applicant's changes, oldest first."""
    auth.require(Right.READ)
    query = queries.query(Page)
    key = queries.key(vendor, query.environment, reference)
    after = queries.decode_cursor(query.cursor, tuple[queries.Version]) or (0,)
    rows = queries.read(lambda connection: store_history.of(connection, key, after=after[0], limit=query.limit + 1))
    if not rows and queries.read(lambda connection: applicants.find(connection, key)) is None:
        raise _unknown_applicant()
    return queries.page(rows, query.limit, place=lambda row: [row.version], describe=feed.describe_change)


@blueprint.get("/users/<name:external_user_id>")
def user(external_user_id: str) -> Response:
    """A person across vendors: every applicant, the newest verification first, and who approves or blocks."""
    auth.require(Right.READ)
    query = queries.query(One)
    rows = queries.read(lambda connection: _of_user(connection, external_user_id, query.environment))
    if not rows:
        raise Problem(404, "No applicant of this person is known.")
    newest: dict[str, Applicant] = {}
    for row in rows:
        newest.setdefault(row.vendor, row)
    blocking = {row.vendor for row in rows if row.hits or newest[row.vendor].status == Status.REJECTED}
    return queries.answer(
        {
            "external_user_id": external_user_id,
            "environment": query.environment,
            "approving_vendors": [vendor for vendor, row in newest.items() if row.status == Status.APPROVED],
            "blocking_vendors": sorted(blocking),
            "applicants": [applicants.describe(row) for row in rows],
        }
    )


def _of_user(connection: Connection, external_user_id: str, environment: str) -> list[Applicant]:
    return applicants.of_user(connection, external_user_id, environment=environment) if is_name(external_user_id) else []


# events -------------------------------------------------------------------------------------------------------


@blueprint.get("/events")
def list_events() -> Response:
    """The inbox, in the order of receipt, without bodies."""
    auth.require(Right.READ)
    query = queries.query(EventsQuery)
    after = queries.decode_cursor(query.cursor, tuple[queries.Number]) or (0,)
    received_after = queries.moment("received_after", query.received_after)
    rows = queries.read(
        lambda connection: events.listing(
            connection,
            environment=query.environment,
            vendor=query.vendor,
            status=query.status,
            reference=query.reference,
            received_after=received_after,
            after=after[0],
            limit=query.limit + 1,
        )
    )
    return queries.page(rows, query.limit, place=lambda row: [row.sequence], describe=events.describe)


@blueprint.get("/events/<name:event_id>")
def event(event_id: str) -> Response:
    """One event, without its body."""
    auth.require(Right.READ)
    queries.query(queries.Nothing)
    found = queries.read(lambda connection: events.find(connection, _event_id(event_id)))
    if found is None:
        raise _unknown_event()
    return queries.answer(found)


@blueprint.get("/events/<name:event_id>/body")
def body(event_id: str) -> Response:
    """An event's body, byte for byte. Who read it is recorded."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    try:
        found = queries.write(lambda connection: _read_body(connection, _event_id(event_id), caller))
    except Unopenable as error:
        raise Problem(409, "The body cannot be opened with the keys that are configured.") from error
    if found is None:
        raise _unknown_event()
    answer = Response(found, content_type="application/octet-stream")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _read_body(connection: Connection, event_id: str, caller: auth.Caller) -> bytes | None:
    found = events.body(connection, event_id)
    if found is not None:
        audit.write(connection, actor=caller.name, action="read a body", subject=f"event {event_id}")
    return found


@blueprint.post("/events/<name:event_id>/replay")
def replay(event_id: str) -> Response:
    """Handle an event again. The applicants that it named, or names, are derived anew from all their events."""
    caller = auth.require(Right.OPERATE)
    queries.query(queries.Nothing)
    if not queries.write(lambda connection: _reopen(connection, _event_id(event_id), caller)):
        raise _unknown_event()
    wakeup.ring()
    return queries.answer({"status": "accepted", "event_id": event_id}, status=202)


def _reopen(connection: Connection, event_id: str, caller: auth.Caller) -> bool:
    if claims.reopen(connection, event_id) is None:
        return False
    audit.write(connection, actor=caller.name, action="replay", subject=f"event {event_id}")
    return True


# links --------------------------------------------------------------------------------------------------------


@blueprint.put("/links/ifcgate/<name:case_id>")
def link(case_id: str) -> Response:
    """Link a case to a user, before or after its events. To move a case that has a verdict to another user is an operator's right."""
    caller = auth.require(Right.LINK)
    query = queries.query(One)
    given = queries.body(Link)
    if not is_name(given.external_user_id):
        raise Problem(400, "The body's 'external_user_id' cannot be right.")
    key = queries.key("ifcgate", query.environment, case_id)
    may_move = caller.right == Right.OPERATE
    try:
        queries.write(
            lambda connection: links.link(connection, key, external_user_id=given.external_user_id, by=caller.name, may_move=may_move)
        )
    except NeedsOperator as error:
        raise Problem(403, "This case has a verdict and belongs to another user: moving it needs an operator's token.") from error
    return queries.answer(key._asdict() | {"external_user_id": given.external_user_id})


def _event_id(text: str) -> str:
    if not EVENT_ID.fullmatch(text):
        raise _unknown_event()
    return text


def _unknown_event() -> Problem:
    return Problem(404, "No event has this id.")


def _unknown_applicant() -> Problem:
    return Problem(404, "No applicant of this vendor has this reference here.")
