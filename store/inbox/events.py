"""Reading the inbox: events, their outcomes and, for operators, their bodies."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, String, cast, exists, func, literal, literal_column, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from store.database.columns import SANDBOX, WITHOUT_EFFECT, page
from store.database.restriction import IS_RESTRICTED, any_restricted, names_restricted, only_restricted
from store.database.tables import Alias, ApplicantRow, EventRow, MentionRow
from store.inbox.deliveries import first_id_of
from store.inbox.internal_events import KIND_HEADER, Kind
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import keyring
from store.system import clock
from store.text import traces
from store.text.json_body import forms_of, holds_any
from store.text.states import Outcome, VendorEnvironment

_DESCRIBED: list[InstrumentedAttribute[Any]] = [
    EventRow.sequence, EventRow.id, EventRow.vendor, EventRow.environment, EventRow.event_type, EventRow.reference, EventRow.status,
    EventRow.reason, EventRow.occurred_at, EventRow.received_at, EventRow.settled_at, EventRow.repeat, EventRow.deliveries,
    EventRow.attempts, EventRow.dismissed_at, EventRow.erased_at, EventRow.trace,
]  # fmt: skip

_MOMENTS = ("occurred_at", "received_at", "settled_at", "dismissed_at", "erased_at")


class InboxEvent(Struct, frozen=True, kw_only=True):
    """An event of the inbox, with its encrypted body."""

    sequence: int
    id: str
    vendor: str
    environment: str
    headers: dict[str, str]
    body_sha256: bytes
    key_id: str
    sealed_body: bytes
    received_at: datetime
    repeat: bool
    seen_before: bool
    attempts: int
    replayed: bool
    wrapped_by: str | None = None
    wrapped_key: bytes | None = None
    trace: str | None = None

    @property
    def is_erased(self) -> bool:
        """Return whether its body was erased, or was replaced by what it said of others."""
        return not self.sealed_body or self.headers.get(KIND_HEADER) == Kind.KEPT

    def body(self) -> bytes:
        """Return the body, byte for byte. Raises Unopenable."""
        wrapped = body_keys.wrapped_key(self.wrapped_by, self.wrapped_key)
        return keyring().open(self.sealed_body, key_id=self.key_id, event_id=self.id, wrapped=wrapped)


EVENT_COLUMNS: list[Any] = [
    EventRow.sequence, EventRow.id, EventRow.vendor, EventRow.environment, EventRow.headers, EventRow.body_sha256, EventRow.key_id,
    EventRow.sealed_body, EventRow.received_at, EventRow.repeat, EventRow.seen_before, EventRow.attempts, EventRow.replayed,
    EventRow.trace, *body_keys.COLUMNS,
]  # fmt: skip

_FIELDS = tuple(column.key for column in EVENT_COLUMNS)


def event_of(row: Row[Any]) -> InboxEvent:
    """Return an event, from a row that begins with `EVENT_COLUMNS`."""
    return InboxEvent(**dict(zip(_FIELDS, row, strict=False)))


def find(connection: Connection, event_id: str) -> dict[str, Any] | None:
    """Return an event as the contract describes it, without its body."""
    # A delivery from the spool may have been given an id before it was known to be of an event that is kept already.
    alias = select(Alias.event_id).where(Alias.id == event_id).scalar_subquery()
    row = connection.execute(select(*_DESCRIBED).where(or_(EventRow.id == event_id, EventRow.id == alias))).one_or_none()
    return describe(row) if row else None


def is_restricted(connection: Connection, event_id: str, *, with_body: bool) -> bool:
    """Return whether only privacy officers may see an event: it named restricted applicants alone; its body, if it named one.

    An event without mentions is not handled, or could not be: its body is searched. Raises Unopenable."""
    hidden = any_restricted() if with_body else only_restricted()
    if connection.execute(select(exists().where(EventRow.id == event_id, hidden))).scalar_one():
        return True
    return with_body and _body_holds_restricted(connection, event_id)


def _body_holds_restricted(connection: Connection, event_id: str) -> bool:
    same = (ApplicantRow.vendor == EventRow.vendor, ApplicantRow.environment == EventRow.environment)
    has_mentions = exists().where(MentionRow.event_sequence == EventRow.sequence)
    restricted = select(ApplicantRow.reference).where(IS_RESTRICTED, *same, EventRow.id == event_id, ~has_mentions)
    names = connection.execute(restricted).scalars().all()
    return bool(names) and holds_any(body(connection, event_id) or b"", {form for name in names for form in forms_of(name)})


def listing(
    connection: Connection,
    *,
    environment: str,
    vendor: str | None = None,
    vendors: Collection[str] = (),
    status: str | None = None,
    event_type: str | None = None,
    error: str | None = None,
    reference: str | None = None,
    received_after: datetime | None = None,
    since: datetime | None = None,
    after: tuple[int] | None = None,
    newest_first: bool = False,
    with_restricted: bool = False,
    limit: int,
) -> list[Row[Any]]:
    """Return events in the order of receipt, or the newest first, after a place in that order. `since`: received at that time or later.
    `error`: a part of the reason with which they ended. `vendors`: all that there may be; with them an index leads to a reference.

    Events that named restricted applicants alone are left out unless `with_restricted`, and by reference all that named one."""
    query = select(*_DESCRIBED).where(EventRow.environment == environment)
    if environment != VendorEnvironment.LIVE:
        query = query.where(literal_column(SANDBOX))
    if not with_restricted:
        query = query.where(~only_restricted())
    if status:
        query = query.where(*_of_status(status))
    if event_type:
        query = query.where(EventRow.event_type == event_type)
    if error:
        query = query.where(EventRow.reason.contains(error, autoescape=True))
    if reference:
        naming = select(MentionRow.event_sequence).where(MentionRow.environment == environment, MentionRow.reference == reference)
        naming = naming if with_restricted else naming.where(~names_restricted(MentionRow))
        if among := [vendor] if vendor else vendors:
            naming = naming.where(MentionRow.vendor.in_(among))
        query = query.where(EventRow.sequence.in_(naming))
    if received_after:
        query = query.where(EventRow.received_at > received_after, EventRow.sequence > _kept_before(connection, received_after))
    if since:
        query = query.where(EventRow.received_at >= since, EventRow.sequence > _kept_before(connection, since))
    portion: dict[str, Any] = {"after": after, "newest_first": newest_first, "limit": limit}
    of = [vendor] if vendor else vendors if status in NO_EFFECT and not reference else ()
    if not of:
        return list(connection.execute(page(query, EventRow.sequence, **portion)).all())
    # Vendor by vendor, because the index over a status has the vendor first.
    found = [connection.execute(page(query.where(EventRow.vendor == one), EventRow.sequence, **portion)).all() for one in of]
    return list(islice(merge(*found, key=lambda row: row.sequence, reverse=newest_first), limit))


def _of_status(status: str) -> list[ColumnElement[bool]]:
    """Return the condition for events of a status, so that the index over those like it can be used."""
    like_it = [IS_UNRESOLVED] if status in UNRESOLVED else [literal_column(WITHOUT_EFFECT)] if status in NO_EFFECT else []
    return [EventRow.status == literal(status, literal_execute=True), *like_it]


def _kept_before(connection: Connection, moment: datetime) -> int:
    """Return the sequence number of an event that was kept before each event that was received after a time; 0 if none is known.

    An event that did not come through the spool is kept within seconds of its receipt. So whatever is received later than that has a
    greater number, unless the clocks of two hosts differ by more than `CLOCKS_APART`."""
    earlier = max(moment, clock.EPOCH + CLOCKS_APART) - CLOCKS_APART
    before = select(EventRow.sequence, EventRow.received_at, EventRow.spooled).where(EventRow.id < first_id_of(earlier))
    newest = before.order_by(EventRow.id.desc()).limit(SEARCHED_MAX).subquery()
    number = connection.scalar(select(func.max(newest.c.sequence)).where(newest.c.received_at < earlier, newest.c.spooled.is_(False)))
    return number or 0


#: The clocks of two hosts differ by less.
CLOCKS_APART = timedelta(minutes=10)
#: Among so many events the newest one is looked for that did not come through the spool.
SEARCHED_MAX = 200

#: Outcomes of events that changed nothing, as `WITHOUT_EFFECT` has them.
NO_EFFECT = (Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.IGNORED)
#: What a person has to look at: the outcomes of events that could not be handled, or not be read.
UNRESOLVED = (Outcome.FAILED, Outcome.UNREADABLE)

#: Written out, not bound: a database uses a partial index only where it can see that its condition holds.
IS_UNRESOLVED: ColumnElement[bool] = EventRow.status.in_([literal_column(f"'{outcome}'") for outcome in UNRESOLVED])


def unresolved(connection: Connection, event_ids: Collection[str]) -> set[str]:
    """Return those of the events that are dead letters or unreadable."""
    found = select(EventRow.id).where(EventRow.id.in_(event_ids), IS_UNRESOLVED)
    return set(connection.execute(found).scalars())


def dismiss(connection: Connection, event_id: str) -> bool:
    """Record that nothing is to be done about an unreadable event or a dead letter. Return False if it is neither, or there is none."""
    unresolved_one = update(EventRow).where(EventRow.id == event_id, IS_UNRESOLVED)
    return connection.execute(unresolved_one.values(dismissed_at=clock.now())).rowcount == 1


def unresolved_groups(
    connection: Connection, *, environment: str, outcome: Outcome, dismissed: bool = False, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Return dead letters, or unreadable events, grouped by vendor, type and reason, the largest group first: the count, the first and
    last receipt, and one example. Those that were dismissed are left out, unless they are asked for, and so are those that were received
    before `since`."""
    by = (EventRow.vendor, EventRow.event_type, EventRow.reason)
    count, example = func.count().label("count"), func.max(cast(EventRow.id, String)).label("example")
    first, last = func.min(EventRow.received_at).label("first_seen"), func.max(EventRow.received_at).label("last_seen")
    columns: list[Any] = [*by, count, first, last, example]
    query = select(*columns).where(IS_UNRESOLVED, EventRow.status == outcome, EventRow.environment == environment)
    query = query.where(EventRow.dismissed_at.is_not(None) if dismissed else EventRow.dismissed_at.is_(None))
    if since:
        query = query.where(EventRow.received_at >= since)
    return [_describe_group(row) for row in connection.execute(query.group_by(*by).order_by(count.desc(), *by))]


def _describe_group(row: Row[Any]) -> dict[str, Any]:
    times = {name: clock.rfc3339(getattr(row, name)) for name in ("first_seen", "last_seen")}
    return dict(row._mapping) | times | {"example": str(uuid.UUID(row.example))}


def is_emptied(connection: Connection, event_id: str) -> bool:
    """Return whether nothing is left of an event to handle: it was erased, and said nothing about other applicants."""
    emptied = exists().where(EventRow.id == event_id, EventRow.erased_at.is_not(None), EventRow.sealed_body == b"")
    return connection.execute(select(emptied)).scalar_one()


def body(connection: Connection, event_id: str) -> bytes | None:
    """Return an event's body, byte for byte; None if there is no such event. Raises Unopenable."""
    columns = (EventRow.sealed_body, EventRow.key_id, *body_keys.COLUMNS)
    row = connection.execute(select(*columns).where(EventRow.id == event_id)).one_or_none()
    if row is None:
        return None
    wrapped = body_keys.wrapped_key(row.wrapped_by, row.wrapped_key)
    return keyring().open(row.sealed_body, key_id=row.key_id, event_id=event_id, wrapped=wrapped)


def newest_id(connection: Connection) -> str | None:
    """Return the id of the event that was kept last and has a body: an erased one has none."""
    newest = select(EventRow.id).where(EventRow.sealed_body != b"").order_by(EventRow.sequence.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return an event as the contract shows it."""
    told = {name: value for name, value in row._mapping.items() if name not in ("sequence", "trace")}
    return told | {name: clock.rfc3339(told[name]) for name in _MOMENTS} | {"trace_id": traces.id_of(row.trace)}
