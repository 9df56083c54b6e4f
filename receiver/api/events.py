"""/v1/events: the inbox, the body of an event, and handling an event again."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.openapi import event_schemas, schemas
from receiver.openapi.schemas import VendorName
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, Text, call
from receiver.web.problems import Problem
from receiver.web.queries import OrderedPage
from store.access import audit
from store.applicants import mentions, visibility
from store.inbox import events, settling
from store.inbox.sealing.encryption import Unopenable
from store.text import masking
from store.text.names import EVENT_ID
from store.text.states import Outcome

blueprint = Blueprint("api", __name__, url_prefix="/v1")

BODY = Text("application/octet-stream", {"type": "string", "format": "binary"})


class EventsQuery(OrderedPage, forbid_unknown_fields=True):
    vendor: VendorName | None = None
    status: Outcome | None = None
    event_type: Annotated[queries.StoredName | None, Meta(description="Of one type, in the vendor's word.")] = None
    error: Annotated[queries.StoredName | None, Meta(description="A part of the reason with which they ended.")] = None
    reference: Annotated[queries.Text | None, Meta(description="Which applicant they named.")] = None
    received_after: Annotated[queries.TimeText | None, Meta(description="RFC 3339; received later than this.")] = None


class BodyQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    reason: queries.Reason | None = None


class NamedQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    limit: queries.Limit = 50
    cursor: queries.Cursor = None


UNKNOWN = "No event has this id."
NAMED_PAGE = PageOf(
    event_schemas.NamedApplicant,
    place=lambda row: [row.reference],
    describe=lambda row: dict(row._mapping),
    after=tuple[queries.StoredName],
)
EVENT_PAGE = PageOf(schemas.EventModel, place=lambda row: [row.sequence], describe=events.describe)


@blueprint.get("/events")
@call(
    right=Right.READ,
    query=EventsQuery,
    answers=EVENT_PAGE,
    audit_subject=lambda _, query: audit.list_subject("events", queries.filters(query)),
)
def list_events(connection: Connection, caller: Caller, query: EventsQuery, after: tuple[int] | None) -> list[Row[Any]]:
    """The inbox, in the order of receipt or the newest first, without bodies. Events about restricted applicants alone are left out,
    but for privacy officers."""
    return events.listing(
        connection,
        environment=query.environment,
        vendor=query.vendor,
        vendors=tuple(VendorName),
        status=query.status,
        event_type=query.event_type,
        error=query.error,
        reference=query.reference,
        received_after=queries.moment("received_after", query.received_after),
        with_restricted=caller.is_privacy_officer,
        **query.portion(after),
    )


@blueprint.get("/events/<name:event_id>")
@call(right=Right.READ, answers=schemas.EventModel, unknown=UNKNOWN, audit_subject=lambda path, _: audit.event_subject(path["event_id"]))
def get_event(connection: Connection, event_id: str, caller: Caller) -> dict[str, Any] | None:
    """One event, without its body."""
    return _find(connection, event_id, caller)


@blueprint.get("/events/<name:event_id>/applicants")
@call(
    right=Right.READ,
    query=NamedQuery,
    answers=NAMED_PAGE,
    unknown=UNKNOWN,
    audit_subject=lambda path, _: audit.event_subject(path["event_id"]),
)
def list_named_applicants(
    connection: Connection, event_id: str, caller: Caller, query: NamedQuery, after: tuple[str] | None
) -> list[Row[Any]] | None:
    """The applicants that an event named, what it said of each, and what followed. Restricted ones are left out, but for privacy
    officers."""
    found = _find(connection, event_id, caller)
    if found is None:
        return None
    with_restricted = caller.is_privacy_officer
    return mentions.named_by(connection, found["id"], with_restricted=with_restricted, after=after, limit=query.limit + 1)


@blueprint.get("/events/<name:event_id>/body")
@call(right=Right.OPERATE, query=BodyQuery, answers=BODY, other_statuses=(409, 410), unknown=UNKNOWN, writes=True)
def get_event_body(connection: Connection, event_id: str, caller: Caller, query: BodyQuery) -> Response | None:
    """An event's body, byte for byte. The audit log records who read it, and the reason, if one is given."""
    found = _body(connection, event_id, caller)
    if found is None:
        return None
    audit.write(connection, actor=caller.name, action="read a body", subject=audit.event_subject(event_id), reason=query.reason, touched=1)
    return Response(found, content_type=BODY.media_type, headers={"Cache-Control": "no-store"})


@blueprint.get("/events/<name:event_id>/masked")
@call(right=Right.READ, answers=event_schemas.MaskedBody, other_statuses=(409, 410), unknown=UNKNOWN, writes=True)
def get_masked_body(connection: Connection, event_id: str, caller: Caller) -> dict[str, Any] | None:
    """An event's body with every value masked that may be personal data. The audit log records who read it."""
    found = _body(connection, event_id, caller)
    if found is None:
        return None
    audit.write(connection, actor=caller.name, action="read a body, masked", subject=audit.event_subject(event_id), touched=1)
    return {"event_id": event_id, "body": masking.readable(found)}


def _body(connection: Connection, event_id: str, caller: Caller) -> bytes | None:
    """Return an event's body; None if there is no such event. Raises Hidden, and a problem where no key opens it."""
    try:
        found = _find(connection, event_id, caller, with_body=True)
        return events.body(connection, found["id"]) if found else None
    except Unopenable as error:
        raise Problem(409, "The body cannot be opened with the keys that are configured.") from error


class DismissRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Why nothing is to be done about an event."""

    reason: queries.Reason


@blueprint.post("/events/<name:event_id>/dismiss")
@call(right=Right.OPERATE, body=DismissRequest, answers=schemas.EventModel, other_statuses=(409,), unknown=UNKNOWN, writes=True)
def dismiss_event(connection: Connection, event_id: str, caller: Caller, body: DismissRequest) -> dict[str, Any] | None:
    """Have an unreadable event, or a dead letter, listed no longer as one to look at. Its outcome stays; a replay undoes it."""
    found = events.find(connection, event_id) if EVENT_ID.fullmatch(event_id) else None
    if found is None:
        return None
    if not events.dismiss(connection, found["id"]):
        raise Problem(409, f"This event is {found['status']}: only an unreadable event or a dead letter can be dismissed.")
    audit.write(connection, actor=caller.name, action="dismiss", subject=f"event {found['id']}", reason=body.reason, touched=1)
    is_restricted = events.is_restricted(connection, found["id"], with_body=False)
    return (events.find(connection, event_id) or found) | ({"reference": None} if is_restricted else {})


@blueprint.post("/events/<name:event_id>/replay")
@call(right=Right.OPERATE, answers=schemas.Accepted, status=202, other_statuses=(409,), unknown=UNKNOWN, writes=True, wakes=True)
def replay_event(connection: Connection, event_id: str, caller: Caller) -> dict[str, str] | None:
    """Handle an event again. The applicants that it named, or names, are derived again from all their events."""
    if EVENT_ID.fullmatch(event_id) and events.is_emptied(connection, event_id):
        raise Problem(409, "This event was erased: nothing is left of it to handle again.")
    if not EVENT_ID.fullmatch(event_id) or settling.reopen(connection, event_id) is None:
        return None
    audit.write(connection, actor=caller.name, action="replay", subject=f"event {event_id}")
    return {"status": "accepted", "event_id": event_id}


def _find(connection: Connection, event_id: str, caller: Caller, *, with_body: bool = False) -> dict[str, Any] | None:
    if not EVENT_ID.fullmatch(event_id):
        return None
    return visibility.find_event(connection, event_id, is_officer=caller.is_privacy_officer, with_body=with_body)
