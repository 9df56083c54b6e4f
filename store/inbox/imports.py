"""Imports: which events of a file are kept already, and the outcomes of those that are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from store.database import bulk
from store.database.tables import EventRow
from store.inbox import claims, deliveries, internal_events
from store.inbox.deliveries import Delivery
from store.inbox.internal_events import KIND_HEADER, Kind
from store.text.states import Outcome


@dataclass(frozen=True, kw_only=True)
class Span:
    """The smallest and the largest id of the imported events. Ids sort by time; other events may lie between."""

    first: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How many of the imported events have one outcome, and how many applicants they name."""

    outcome: Outcome
    events: int
    applicants: int


def keep_unknown(connection: Connection, rows: Sequence[Delivery]) -> list[str]:
    """Keep the rows whose events are not kept yet; return the ids of the events. A repeated row counts as no further delivery."""
    each = {deliveries.EventKey(row.vendor, row.environment, row.identity): row for row in rows}
    known = _kept(connection, list(each))
    return internal_events.keep(connection, [row for key, row in each.items() if key not in known])


def _kept(connection: Connection, keys: list[deliveries.EventKey]) -> set[deliveries.EventKey]:
    mine = bulk.among(EventRow, [{"vendor": key.vendor, "environment": key.environment, "identity": key.digest} for key in keys])
    rows = connection.execute(select(EventRow.vendor, EventRow.environment, EventRow.identity).where(mine))
    return {deliveries.EventKey(row.vendor, row.environment, bytes(row.identity or b"")) for row in rows}


def pending(connection: Connection, span: Span) -> int:
    """Return how many events are still to be handled for the first time."""
    waiting = (EventRow.status == claims.PENDING, EventRow.attempts == 0, EventRow.id.between(span.first, span.last))
    return connection.execute(select(func.count()).select_from(EventRow).where(*waiting)).scalar_one()


def ended(connection: Connection, span: Span) -> list[Ended]:
    """Return the outcomes of the imported events."""
    applicants = func.count((EventRow.vendor + " " + EventRow.reference).distinct())
    query = select(EventRow.status, func.count(), applicants).where(*_brought(span)).group_by(EventRow.status)
    return [Ended(outcome=Outcome(status), events=events, applicants=named) for status, events, named in connection.execute(query)]


def _brought(span: Span) -> tuple[ColumnElement[bool], ...]:
    return (EventRow.id.between(span.first, span.last), EventRow.headers[KIND_HEADER].as_string() == Kind.IMPORT.value)
