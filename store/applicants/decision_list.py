"""The list of decisions: what persons decided, confirmed and withdrew, in the order of receipt, each with its state."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, literal, select

from store.applicants import decisions
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database.columns import page
from store.database.tables import EventRow
from store.inbox.events import EVENT_COLUMNS, InboxEvent, event_of
from store.inbox.internal_events import DECISION_TYPE, DecisionBody
from store.system import clock
from store.text.states import ApplicantKey

#: The fewest decisions that one query reads: those about restricted applicants are left out afterwards.
PAGE = 200

#: The most decisions that wait for a second operator, as far as they are listed: the longest waiting ones.
WAITING_MAX = 1000

#: The state of a decision after which another one came: a later decision, its confirmation, or its withdrawal.
REPLACED = "replaced"


class Listed(NamedTuple):
    """A decision, a confirmation or a withdrawal, and the applicant as it is now."""

    event: InboxEvent
    body: DecisionBody
    applicant: Applicant | None


def listing(
    connection: Connection,
    *,
    environment: str,
    since: datetime | None = None,
    after: tuple[int] | None = None,
    newest_first: bool = False,
    with_restricted: bool = False,
    waiting: bool = False,
    limit: int,
) -> list[Listed]:
    """Return what persons decided at a time or later, or the newest first, after a place in that order. Raises Unopenable.

    What was decided about restricted applicants is left out unless `with_restricted`. `waiting`: only what waits for a second operator."""
    # A literal, so that every plan can use the index over decisions.
    of_persons = EventRow.event_type == literal(DECISION_TYPE, literal_execute=True)
    base = select(*EVENT_COLUMNS).where(of_persons, EventRow.environment == environment)
    if since:
        base = base.where(EventRow.received_at >= since)
    if waiting:
        base = base.where(EventRow.id.in_(_waiting(connection, environment)))
    most = max(limit, PAGE)
    found: list[Listed] = []
    while len(found) < limit and (
        read := _listed(connection, page(base, EventRow.sequence, after=after, newest_first=newest_first, limit=most))
    ):
        # What is not handled yet has no mentions, so that the applicants of the bodies are looked at.
        found += [one for one in read if with_restricted or one.applicant is None or not one.applicant.restricted]
        after = (read[-1].event.sequence,)
    return found[:limit]


def _waiting(connection: Connection, environment: str) -> list[str]:
    found = decisions.waiting(connection, environment=environment, limit=WAITING_MAX)
    return [one.decision["event_id"] for one in found if one.decision]


def _listed(connection: Connection, query: Select[Any]) -> list[Listed]:
    events = [event_of(row) for row in connection.execute(query)]
    bodies = [msgspec.json.decode(event.body(), type=DecisionBody) for event in events]
    keys = [ApplicantKey(event.vendor, event.environment, body.reference) for event, body in zip(events, bodies, strict=True)]
    known = applicants.among(connection, list(set(keys))) if keys else {}
    return [Listed(event, body, known.get(key)) for event, body, key in zip(events, bodies, keys, strict=True)]


def describe(one: Listed) -> dict[str, Any]:
    """Return a decision as it is shown."""
    body, whose = one.body, one.applicant
    act = "withdraw" if body.withdrawn_by else "confirm" if body.confirmed_by else "decide"
    return {
        "event_id": one.event.id,
        "at": clock.rfc3339(one.event.received_at),
        "act": act,
        "vendor": one.event.vendor,
        "environment": one.event.environment,
        "reference": body.reference,
        "external_user_id": whose.external_user_id if whose else None,
        "decision": body.ruling,
        "against": list(body.against),
        "by": body.by,
        "reason": body.reason,
        "confirmed_by": body.confirmed_by,
        "confirmation": body.confirmation,
        "withdrawn_by": body.withdrawn_by,
        "withdrawal": body.withdrawal,
        "state": _state(one),
    }


def _state(one: Listed) -> str:
    shown = (one.applicant and one.applicant.decision) or {}
    return str(shown["state"]) if shown.get("event_id") == one.event.id else REPLACED
