"""Mentions: which applicants each event named, what it said of them, and what followed. Explanations are made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, and_, delete, select

from store.database import bulk
from store.database.columns import page
from store.database.restriction import names_restricted
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.inbox.events import EVENT_COLUMNS, InboxEvent, event_of
from store.text.states import ApplicantKey, Outcome


class Mention(Struct, frozen=True, kw_only=True):
    """What one event said of one applicant, and what followed."""

    vendor: str
    environment: str
    reference: str
    event_sequence: int
    #: Its place among the vendor's news: microseconds of the vendor's clock, or the order of receipt.
    place: int
    rank: int
    #: In the vendor's words.
    said: str
    #: In ours.
    meant: str
    outcome: Outcome
    why: str
    #: The event that had already said something newer.
    superseded_by: str | None


def named_by(
    connection: Connection, event_id: str, *, with_restricted: bool, after: tuple[str] | None = None, limit: int
) -> list[Row[Any]]:
    """Return what an event said of each applicant that it named, and the applicant's status now, in the order of the references.

    Restricted applicants are left out, unless `with_restricted`."""
    mine = and_(*(getattr(ApplicantRow, name) == getattr(MentionRow, name) for name in ApplicantKey._fields), ApplicantRow.version > 0)
    told = (MentionRow.said, MentionRow.meant, MentionRow.outcome, MentionRow.why, MentionRow.superseded_by)
    columns: list[Any] = [MentionRow.vendor, MentionRow.environment, MentionRow.reference, ApplicantRow.status, *told]
    query = select(*columns)
    query = query.join(EventRow, EventRow.sequence == MentionRow.event_sequence).outerjoin(ApplicantRow, mine)
    query = query.where(EventRow.id == event_id)
    if not with_restricted:
        query = query.where(~names_restricted(MentionRow))
    return list(connection.execute(page(query, MentionRow.reference, after=after, limit=limit)).all())


def remember(connection: Connection, said: Iterable[Mention]) -> None:
    """Record what events said of applicants. Earlier records of these events are replaced."""
    bulk.insert(connection, MentionRow, [structs.asdict(one) for one in said], over=(*ApplicantKey._fields, "event_sequence"))


def of_event(connection: Connection, sequence: int) -> list[str]:
    """Return the references that an event named when it was last handled."""
    return list(connection.execute(select(MentionRow.reference).where(MentionRow.event_sequence == sequence)).scalars())


def forget(connection: Connection, sequence: int) -> None:
    """Remove the mentions of an event."""
    connection.execute(delete(MentionRow).where(MentionRow.event_sequence == sequence))


def of_events(connection: Connection, sequences: Collection[int]) -> dict[int, list[str]]:
    """Return the references that events named when they were last handled."""
    query = select(MentionRow.event_sequence, MentionRow.reference).where(MentionRow.event_sequence.in_(sequences))
    named: dict[int, list[str]] = {}
    for sequence, reference in connection.execute(query):
        named.setdefault(sequence, []).append(reference)
    return named


def events_naming(connection: Connection, key: ApplicantKey) -> list[InboxEvent]:
    """Return every event that named an applicant when it was handled, in the order of receipt, as if claimed."""
    return [event for _, event in events_naming_any(connection, [key])]


def events_naming_any(connection: Connection, keys: list[ApplicantKey]) -> list[tuple[ApplicantKey, InboxEvent]]:
    """Return every event that named one of the applicants when it was handled, with that applicant, in the order of receipt."""
    query = select(*EVENT_COLUMNS, MentionRow.reference.label("named")).join(MentionRow, EventRow.sequence == MentionRow.event_sequence)
    query = query.where(bulk.of_applicants(MentionRow, keys)).order_by(EventRow.sequence)
    rows: Iterable[Row[Any]] = connection.execute(query)
    return [_named(row) for row in rows]


def handled_after(connection: Connection, sequence: int, *, limit: int) -> list[InboxEvent]:
    """Return handled events, whether they moved an applicant or not, after a sequence number, in the order of receipt."""
    handled = EventRow.status.not_in((Outcome.PENDING, Outcome.FAILED))
    query = select(*EVENT_COLUMNS).where(EventRow.sequence > sequence, handled).order_by(EventRow.sequence).limit(limit)
    return [event_of(row) for row in connection.execute(query)]


def _named(row: Row[Any]) -> tuple[ApplicantKey, InboxEvent]:
    values = dict(row._mapping)
    reference = values.pop("named")
    return ApplicantKey(values["vendor"], values["environment"], reference), InboxEvent(**values)
