"""What downstream reads, and the few things it may do. The reader's side of the contract, section 6."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta
from sqlalchemy import Connection

from receiver import access, calls
from receiver.access import Right
from receiver.calls import One, Page
from receiver.problems import Problem
from receiver.vendors import VENDORS
from store import audit
from store.applicants import explanations, feed, links
from store.applicants import history as store_history
from store.applicants import table as applicants
from store.applicants.links import NeedsOperator
from store.applicants.table import Applicant
from store.database.columns import NAME_CHARS_MAX
from store.inbox import claims, events, wakeup
from store.inbox import record as inbox
from store.inbox.encryption import Unopenable
from store.states import HITS, Outcome, Status
from store.system.names import is_name

blueprint = Blueprint("api", __name__, url_prefix="/v1")

AwareMoment = Annotated[datetime, Meta(tz=True)]

Vendor = StrEnum("Vendor", {name: name for name in VENDORS})  # type: ignore[misc]
Hit = StrEnum("Hit", {name: name for name in HITS})  # type: ignore[misc]


class ApplicantsQuery(Page, forbid_unknown_fields=True):
    external_user_id: Annotated[calls.Text | None, Meta(description="Whose applicants: your own id.")] = None
    vendor: Vendor | None = None
    status: Status | None = None
    hit: Annotated[Hit | None, Meta(description="What their latest verdict or an open alert names.")] = None
    updated_after: Annotated[calls.TimeText | None, Meta(description="RFC 3339; changed later than this.")] = None


class ApplicantQuery(One, forbid_unknown_fields=True):
    at: Annotated[calls.TimeText | None, Meta(description="RFC 3339: as this service knew it at that moment.")] = None


class EventsQuery(Page, forbid_unknown_fields=True):
    vendor: Vendor | None = None
    status: Outcome | None = None
    reference: Annotated[calls.Text | None, Meta(description="Which applicant they named.")] = None
    received_after: Annotated[calls.TimeText | None, Meta(description="RFC 3339; received later than this.")] = None


class Link(msgspec.Struct):
    external_user_id: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, description="Your own id of the person.")]


# applicants ---------------------------------------------------------------------------------------------------


@blueprint.get("/applicants/<name:vendor>/<name:reference>")
def applicant(vendor: str, reference: str) -> Response:
    """Where an applicant stands."""
    access.require(Right.READ)
    query = calls.query(ApplicantQuery)
    key, at = calls.key(vendor, query.environment, reference), calls.moment("at", query.at)
    found = calls.read(lambda connection: store_history.as_known(connection, key, at))
    if found is None:
        raise _unknown_applicant()
    answer = calls.answer(found)
    answer.add_etag()
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.make_conditional(request)
    return answer


@blueprint.get("/applicants")
def list_applicants() -> Response:
    """Applicants, in the order of their last change."""
    access.require(Right.READ)
    query = calls.query(ApplicantsQuery)
    updated_after = calls.moment("updated_after", query.updated_after)
    after = calls.decode_cursor(query.cursor, tuple[AwareMoment, calls.StoredName, calls.StoredName])
    rows = calls.read(
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
    return calls.page(rows, query.limit, place=lambda row: [row.updated_at, row.vendor, row.reference], describe=applicants.describe)


@blueprint.get("/applicants/<name:vendor>/<name:reference>/explanation")
def explanation(vendor: str, reference: str) -> Response:
    """Why an applicant stands where it stands: the grounds, and all that was said, in the vendor's order, with what became of it."""
    access.require(Right.READ)
    query = calls.query(One)
    key = calls.key(vendor, query.environment, reference)
    found = calls.read(lambda connection: explanations.explain(connection, key))
    if found is None:
        raise _unknown_applicant()
    return calls.answer(found)


@blueprint.get("/applicants/<name:vendor>/<name:reference>/history")
def history(vendor: str, reference: str) -> Response:
    """An applicant's changes, oldest first."""
    access.require(Right.READ)
    query = calls.query(Page)
    key = calls.key(vendor, query.environment, reference)
    after = calls.decode_cursor(query.cursor, tuple[calls.Version]) or (0,)
    rows = calls.read(lambda connection: store_history.of(connection, key, after=after[0], limit=query.limit + 1))
    if not rows and calls.read(lambda connection: applicants.find(connection, key)) is None:
        raise _unknown_applicant()
    return calls.page(rows, query.limit, place=lambda row: [row.version], describe=feed.describe_change)


@blueprint.get("/users/<name:external_user_id>")
def user(external_user_id: str) -> Response:
    """A person across vendors: every applicant, the newest verification first, and who approves or blocks."""
    access.require(Right.READ)
    query = calls.query(One)
    rows = calls.read(lambda connection: _of_user(connection, external_user_id, query.environment))
    if not rows:
        raise Problem(404, "No applicant of this person is known.")
    newest: dict[str, Applicant] = {}
    for row in rows:
        newest.setdefault(row.vendor, row)
    blocking = {row.vendor for row in rows if row.hits or newest[row.vendor].status == Status.REJECTED}
    return calls.answer(
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
    access.require(Right.READ)
    query = calls.query(EventsQuery)
    after = calls.decode_cursor(query.cursor, tuple[calls.Number]) or (0,)
    received_after = calls.moment("received_after", query.received_after)
    rows = calls.read(
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
    return calls.page(rows, query.limit, place=lambda row: [row.sequence], describe=events.describe)


@blueprint.get("/events/<name:event_id>")
def event(event_id: str) -> Response:
    """One event, without its body."""
    access.require(Right.READ)
    calls.query(calls.Nothing)
    found = calls.read(lambda connection: events.find(connection, _event_id(event_id)))
    if found is None:
        raise _unknown_event()
    return calls.answer(found)


@blueprint.get("/events/<name:event_id>/body")
def body(event_id: str) -> Response:
    """An event's body, byte for byte. Who read it is recorded."""
    caller = access.require(Right.OPERATE)
    calls.query(calls.Nothing)
    try:
        found = calls.write(lambda connection: _read_body(connection, _event_id(event_id), caller))
    except Unopenable as error:
        raise Problem(409, "The body cannot be opened with the keys that are configured.") from error
    if found is None:
        raise _unknown_event()
    answer = Response(found, content_type="application/octet-stream")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _read_body(connection: Connection, event_id: str, caller: access.Caller) -> bytes | None:
    found = events.body(connection, event_id)
    if found is not None:
        audit.write(connection, actor=caller.name, action="read a body", subject=f"event {event_id}")
    return found


@blueprint.post("/events/<name:event_id>/replay")
def replay(event_id: str) -> Response:
    """Handle an event again. The applicants that it named, or names, are derived anew from all their events."""
    caller = access.require(Right.OPERATE)
    calls.query(calls.Nothing)
    if not calls.write(lambda connection: _reopen(connection, _event_id(event_id), caller)):
        raise _unknown_event()
    wakeup.ring()
    return calls.answer({"status": "accepted", "event_id": event_id}, status=202)


def _reopen(connection: Connection, event_id: str, caller: access.Caller) -> bool:
    if claims.reopen(connection, event_id) is None:
        return False
    audit.write(connection, actor=caller.name, action="replay", subject=f"event {event_id}")
    return True


# links --------------------------------------------------------------------------------------------------------


@blueprint.put("/links/ifcgate/<name:case_id>")
def link(case_id: str) -> Response:
    """Link a case to a user, before or after its events. To move a case that has a verdict to another user is an operator's right."""
    caller = access.require(Right.LINK)
    query = calls.query(One)
    given = calls.body(Link)
    if not is_name(given.external_user_id):
        raise Problem(400, "The body's 'external_user_id' cannot be right.")
    key = calls.key("ifcgate", query.environment, case_id)
    may_move = caller.right == Right.OPERATE
    try:
        calls.write(
            lambda connection: links.link(connection, key, external_user_id=given.external_user_id, by=caller.name, may_move=may_move)
        )
    except NeedsOperator as error:
        raise Problem(403, "This case has a verdict and belongs to another user: moving it needs an operator's token.") from error
    return calls.answer(key._asdict() | {"external_user_id": given.external_user_id})


def _event_id(text: str) -> str:
    if not inbox.EVENT_ID.fullmatch(text):
        raise _unknown_event()
    return text


def _unknown_event() -> Problem:
    return Problem(404, "No event has this id.")


def _unknown_applicant() -> Problem:
    return Problem(404, "No applicant of this vendor has this reference here.")
