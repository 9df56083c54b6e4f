"""Which applicants each event named, what it said of them, and what became of that: what an explanation is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection, Row, delete, select, tuple_

from store.applicants.table import Key
from store.database import bulk
from store.database.tables import Event, Mention
from store.inbox.claims import CLAIMED, Claimed, claimed
from store.states import Outcome


class Said(Struct, frozen=True, kw_only=True):
    """What one event said of one applicant, and what became of it."""

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


def remember(connection: Connection, said: Iterable[Said]) -> None:
    """Remember what events said of applicants; what they were taken to say before is replaced."""
    bulk.insert(connection, Mention, [structs.asdict(one) for one in said], over=(*Key._fields, "event_sequence"))


def of_event(connection: Connection, sequence: int) -> list[str]:
    """The references that an event named when it was last handled."""
    return list(connection.execute(select(Mention.reference).where(Mention.event_sequence == sequence)).scalars())


def forget(connection: Connection, sequence: int) -> None:
    """Forget whom an event named."""
    connection.execute(delete(Mention).where(Mention.event_sequence == sequence))


def of_events(connection: Connection, sequences: Collection[int]) -> dict[int, list[str]]:
    """The references that events named when they were last handled."""
    query = select(Mention.event_sequence, Mention.reference).where(Mention.event_sequence.in_(sequences))
    named: dict[int, list[str]] = {}
    for sequence, reference in connection.execute(query):
        named.setdefault(sequence, []).append(reference)
    return named


def events_naming(connection: Connection, key: Key) -> list[Claimed]:
    """Every event that, when it was handled, named an applicant, in the order of receipt, as it would be claimed."""
    return [event for _, event in events_naming_any(connection, [key])]


def events_naming_any(connection: Connection, keys: list[Key]) -> list[tuple[Key, Claimed]]:
    """Every event that, when it was handled, named one of some applicants, with whom it named, in the order of receipt."""
    names = (Mention.vendor, Mention.environment, Mention.reference)
    query = select(*CLAIMED, Mention.reference.label("named")).join(Mention, Event.sequence == Mention.event_sequence)
    query = query.where(tuple_(*names).in_(keys)).order_by(Event.sequence)
    rows: Iterable[Row[Any]] = connection.execute(query)
    return [_named(row) for row in rows]


def handled_after(connection: Connection, sequence: int, *, limit: int) -> list[Claimed]:
    """Events that were handled, whether they moved anyone or not, after one of them, in the order of receipt."""
    handled = Event.status.not_in((Outcome.PENDING, Outcome.FAILED))
    query = select(*CLAIMED).where(Event.sequence > sequence, handled).order_by(Event.sequence).limit(limit)
    return [claimed(row) for row in connection.execute(query)]


def _named(row: Row[Any]) -> tuple[Key, Claimed]:
    values = dict(row._mapping)
    reference = values.pop("named")
    return Key(values["vendor"], values["environment"], reference), Claimed(**values)
