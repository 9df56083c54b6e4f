"""Decisions: what a person decides of an applicant, and who confirms an approval against a hit.

A decision is an event like any other, and the rules say what comes of it; here it is written down, and who may confirm it is checked.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, String, cast, select

from store import applicants, audit, statements
from store.applicants import Applicant, Key
from store.models import ApplicantRow, Event
from store.sealing import keyring
from store.statements import DecisionBody, Kind, Ruling
from store.states import Stand


class NotDecided(Exception):
    """It cannot be decided or confirmed. The message says why."""


class UnknownToUs(NotDecided):
    """There is no such applicant, or no such decision."""


class Made(NamedTuple):
    """A decision that was written down, and the hits against which it approves: with any, a second operator must confirm it."""

    event_id: str
    against: tuple[str, ...]


def decide(connection: Connection, key: Key, ruling: Ruling, *, by: str, reason: str, at: datetime) -> Made:
    """Write down what a person decided. It is recorded. Raises UnknownToUs."""
    applicant = applicants.find(connection, key)
    if applicant is None:
        raise UnknownToUs("no applicant of this vendor has this reference here")
    against = tuple(applicant.hits) if ruling == Ruling.APPROVE else ()
    body = DecisionBody(reference=key.reference, ruling=ruling, by=by, reason=reason, at=at, against=against)
    [event_id] = statements.keep(connection, [statements.decided(key, body)])
    audit.write(connection, actor=by, action=ruling, subject=" ".join(key), reason=reason)
    return Made(event_id, against)


def confirm(connection: Connection, event_id: str, *, by: str) -> Made:
    """Confirm what another operator decided, against the hits that are known today. It is recorded. Raises NotDecided."""
    key, order, decided = _find(connection, event_id)
    applicant = applicants.find(connection, key)
    if applicant is None or not _waits(applicant, event_id):
        raise NotDecided("this decision waits for nobody: it stands already, was outvoted, or is not handled yet")
    if by == decided.by:
        raise NotDecided("who decided cannot confirm it: it takes a second operator")
    body = structs.replace(decided, confirmed_by=by, against=tuple(applicant.hits))
    [confirmed] = statements.keep(connection, [statements.decided(key, body, order=order)])
    audit.write(connection, actor=by, action=f"confirm {decided.ruling}", subject=" ".join(key), reason=decided.reason)
    return Made(confirmed, body.against)


def waiting(connection: Connection, *, environment: str, limit: int) -> list[Applicant]:
    """Applicants of whom a decision waits for a second operator, the longest waiting first."""
    return applicants.listing(connection, environment=environment, where=[WAITS], limit=limit)


#: The state's word is ours, and quotes in a reason are escaped: a look into the JSON text is exact.
WAITS: ColumnElement[bool] = cast(ApplicantRow.decision, String).contains(f'"{Stand.WAITS}"')


def _waits(applicant: Applicant, event_id: str) -> bool:
    decision = applicant.decision or {}
    return (decision.get("event_id"), decision.get("state")) == (event_id, Stand.WAITS)


def _find(connection: Connection, event_id: str) -> tuple[Key, int, DecisionBody]:
    """A decision: whose, its place in the order of receipt, and what was decided. Raises UnknownToUs."""
    columns = (Event.sequence, Event.vendor, Event.environment, Event.headers, Event.sealed_body, Event.key_id)
    row = connection.execute(select(*columns).where(Event.id == event_id)).one_or_none()
    if row is None or statements.kind(row.headers) != Kind.DECISION:
        raise UnknownToUs("no decision has this id")
    body = msgspec.json.decode(keyring().open(row.sealed_body, key_id=row.key_id, event_id=event_id), type=DecisionBody)
    return Key(row.vendor, row.environment, body.reference), row.sequence, body
