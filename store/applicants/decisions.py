"""Decisions: what a person decides about an applicant, and who confirms an approval against a hit.

A decision is an event like any other, and the rules say what follows. This module writes it down, and checks who may confirm it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from store.access import audit, tokens
from store.access.operators import Actor
from store.applicants import table as applicants
from store.applicants import visibility
from store.applicants.table import Applicant
from store.database.columns import MAY_WAIT
from store.database.tables import ApplicantRow, EventRow
from store.inbox import internal_events
from store.inbox.events import EVENT_COLUMNS, event_of
from store.inbox.internal_events import ORDER_HEADER, RECEIPT_HEADER, DecisionBody, Kind, Ruling
from store.system import clock
from store.text.states import HITS, ApplicantKey, Stand

#: That a second operator has still to confirm what was decided.
WAITS: ColumnElement[bool] = ApplicantRow.decision["state"].as_string() == Stand.WAITS.value


class NotDecided(Exception):
    """The decision or the confirmation is not possible. The message says why."""


class UnknownToUs(NotDecided):
    """There is no such applicant, or no such decision."""


class Made(NamedTuple):
    """A recorded decision, the hits against which it approves, and whether a second operator must confirm it."""

    event_id: str
    against: tuple[str, ...]
    waits: bool


def decide(
    connection: Connection, key: ApplicantKey, ruling: Ruling, *, by: Actor, reason: str, at: datetime, needs_two: bool = False
) -> Made:
    """Record a person's decision, with an entry in the audit log. Raises UnknownToUs and Hidden.

    An approval against a hit or an alert needs a second operator, and so does every decision with `needs_two`. A decision without a
    token is kept and cannot be confirmed."""
    applicant = applicants.find(connection, key)
    if applicant is None:
        visibility.refuse_erased(connection, key)
        raise UnknownToUs("no applicant of this vendor has this reference here")
    visibility.refuse_restricted(applicant)
    against = _hits(applicant) if ruling == Ruling.APPROVE else ()
    body = DecisionBody(
        reference=key.reference,
        ruling=ruling,
        by=by.name,
        reason=reason,
        at=at,
        against=against,
        seen=_seen(applicant),
        needs_two=needs_two,
        os_user=by.os_user,
        by_token=by.by_token,
    )
    [event_id] = internal_events.keep(connection, [internal_events.decided(key, body, order=_after(applicant, at))])
    _record(connection, ruling, key, by, reason)
    return Made(event_id, against, waits=needs_two or bool(against))


def confirm(connection: Connection, event_id: str, *, by: Actor, reason: str) -> Made:
    """Confirm another operator's decision, against the hits of today, with an entry in the audit log. Raises NotDecided and Restricted.

    Both operators are persons by the names of their tokens; `Day` and `day` are one person."""
    if not by.by_token:
        raise NotDecided("a confirmation comes through a token: give --token-file or STANDING_TOKEN")
    found, applicant = _waiting(connection, event_id)
    decided = found.body
    if not decided.by_token:
        raise NotDecided("it was decided without a token, so that nothing proves two persons: decide again with a token")
    if tokens.person(by.name) == tokens.person(decided.by):
        raise NotDecided("who decided cannot confirm it: it takes a second operator")
    body = structs.replace(decided, confirmed_by=by.name, confirmation=reason, against=_hits(applicant), seen=_seen(applicant))
    confirmed = _keep_in_its_place(connection, found, body)
    _record(connection, f"confirm {decided.ruling}", found.key, by, reason)
    return Made(confirmed, body.against, waits=False)


def withdraw(connection: Connection, event_id: str, *, by: Actor, reason: str) -> Made:
    """Withdraw a decision that waits for a second operator, with an entry in the audit log. Raises NotDecided and Restricted.

    Any operator may. What was in force before the decision is in force still."""
    found, _ = _waiting(connection, event_id)
    withdrawn = _keep_in_its_place(connection, found, structs.replace(found.body, withdrawn_by=by.name, withdrawal=reason))
    _record(connection, f"withdraw {found.body.ruling}", found.key, by, reason)
    return Made(withdrawn, (), waits=False)


def described(connection: Connection, event_id: str) -> str:
    """Return a decision that waits, in words: who decided what about which applicant, and why. Raises NotDecided and Restricted."""
    key, body = _waiting(connection, event_id)[0][:2]
    return f"{body.by} decided: {body.ruling} ({body.reason}), about {key.vendor} {key.reference} ({key.environment})"


def waiting(connection: Connection, *, environment: str, since: datetime | None = None, limit: int) -> list[Applicant]:
    """Return the applicants with a decision that waits for a second operator, the longest waiting first: all, or those that were decided
    about at a time or later."""
    # Without its Z, a time with milliseconds sorts after the same second without.
    decided_at = func.rtrim(ApplicantRow.decision["at"].as_string(), "Z")
    recent = [decided_at >= str(clock.rfc3339(since)).removesuffix("Z")] if since else []
    return applicants.listing(connection, environment=environment, where=[literal_column(MAY_WAIT), WAITS, *recent], limit=limit)


def _hits(applicant: Applicant) -> tuple[str, ...]:
    named = {hit for objection in applicant.objections for hit in objection["hits"]}
    return tuple(hit for hit in HITS if hit in named)


def _seen(applicant: Applicant) -> tuple[str, ...]:
    return tuple(dict.fromkeys(objection["event_id"] for objection in applicant.objections))


def _after(applicant: Applicant, at: datetime) -> int | None:
    """Return the order of a decision among the news of a vendor with a clock: now, and after everything shown, even when that clock is
    ahead of ours. Without a vendor's clock it is the order of receipt."""
    if applicant.as_of is None:
        return None
    return clock.microseconds(max(at, applicant.as_of + timedelta(microseconds=1)))


def _record(connection: Connection, action: str, key: ApplicantKey, by: Actor, reason: str) -> None:
    audit.write(connection, actor=by.name, action=action, subject=" ".join(key), reason=reason, os_user=by.os_user)


def _waits(applicant: Applicant, event_id: str) -> bool:
    decision = applicant.decision or {}
    return (decision.get("event_id"), decision.get("state")) == (event_id, Stand.WAITS)


class _Found(NamedTuple):
    """A recorded decision, and its place in the order."""

    key: ApplicantKey
    body: DecisionBody
    order: int | None
    receipt: int


def _waiting(connection: Connection, event_id: str) -> tuple[_Found, Applicant]:
    """Return a decision that waits for a second operator, and its applicant. Raises NotDecided and Restricted."""
    found = _find(connection, event_id)
    applicant = applicants.find(connection, found.key)
    if applicant:
        visibility.refuse_restricted(applicant)
    if applicant is None or not _waits(applicant, event_id):
        raise NotDecided("this decision waits for no confirmation: it is in force, was outvoted or withdrawn, or is not handled yet")
    return found, applicant


def _keep_in_its_place(connection: Connection, found: _Found, body: DecisionBody) -> str:
    """Keep what was said about a decision, in the decision's place in the order; return the event's id."""
    statement = internal_events.decided(found.key, body, order=found.order, receipt=found.receipt)
    [event_id] = internal_events.keep(connection, [statement])
    return event_id


def _find(connection: Connection, event_id: str) -> _Found:
    """Return a decision. Raises UnknownToUs."""
    row = connection.execute(select(*EVENT_COLUMNS).where(EventRow.id == event_id)).one_or_none()
    if row is None or internal_events.kind(row.headers) != Kind.DECISION:
        raise UnknownToUs("no decision has this id")
    event = event_of(row)
    body = msgspec.json.decode(event.body(), type=DecisionBody)
    order, receipt = (event.headers.get(header) for header in (ORDER_HEADER, RECEIPT_HEADER))
    key = ApplicantKey(event.vendor, event.environment, body.reference)
    return _Found(key, body, int(order) if order else None, int(receipt) if receipt else event.sequence)
