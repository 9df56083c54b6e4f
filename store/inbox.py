"""The inbox: each event once, durable before anyone hears of it, until it is settled with a reason."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, or_, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from store import clock, config, database
from store.deadline import Overdue, within
from store.models import Event, Mention, Subject
from store.sealing import Keyring
from store.states import Outcome

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the answer itself.
RECORD_SECONDS = 1.6

#: How long a claim lasts. A worker that has not settled by then is taken for dead.
LEASE = timedelta(seconds=30)

#: The form of an event's id; whatever else is asked for does not exist.
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Unavailable(Exception):
    """The database cannot keep the delivery: unreachable, hung, full, out of connections or read-only."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One authentic HTTP request, as the vendor's module names it."""

    vendor: str
    environment: str
    #: The headers worth keeping, never a signature.
    headers: dict[str, str]
    body: bytes
    #: What makes two deliveries the same event: for good, or, if there is a subject, as long as it is that subject's latest.
    identity: bytes
    subject: bytes | None = None


@dataclass(frozen=True)
class Kept:
    """The event that a delivery belongs to, and whether this delivery was its first."""

    event_id: str
    first: bool


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A pending event, claimed for handling."""

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
    attempts: int
    replayed: bool

    def body(self) -> bytes:
        """The body, byte for byte. Raises Unopenable."""
        return _keyring().open(self.sealed_body, key_id=self.key_id, event_id=self.id)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """How an event ended, and what was learned about it on the way."""

    sequence: int
    status: Outcome
    reason: str
    event_type: str | None = None
    reference: str | None = None
    occurred_at: datetime | None = None


# keeping ------------------------------------------------------------------------------------------------------


def record(delivery: Delivery) -> Kept:
    """Keep a delivery. When this returns it is committed. Raises Unavailable, within 2 seconds, if it cannot be."""
    event_id = new_event_id()
    key_id, sealed_body = _keyring().seal(delivery.body, event_id=event_id)
    row = {
        "id": event_id,
        "vendor": delivery.vendor,
        "environment": delivery.environment,
        "identity": None if delivery.subject else delivery.identity,
        "subject": delivery.subject,
        "body_sha256": hashlib.sha256(delivery.body).digest(),
        "headers": delivery.headers,
        "key_id": key_id,
        "sealed_body": sealed_body,
        "received_at": clock.now(),
        "due_at": clock.now(),
        "repeat": False,
    }
    try:
        return within(RECORD_SECONDS, lambda: _record(row, delivery.identity))
    except (SQLAlchemyError, Overdue) as error:
        raise Unavailable(type(error).__name__) from error


def _record(row: dict[str, Any], fingerprint: bytes) -> Kept:
    """Commit a delivery. A connection that broke is replaced once; doing it twice is harmless, the id being the same."""
    keep = _keep_once if row["subject"] is None else _keep_unless_latest
    try:
        with database.begin() as connection:
            event_id = keep(connection, row, fingerprint)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        with database.begin() as connection:
            event_id = keep(connection, row, fingerprint)
    return Kept(event_id, first=event_id == row["id"])


def _keep_once(connection: Connection, row: dict[str, Any], _fingerprint: bytes) -> str:
    """The id of the one event with this identity; the unique index decides which delivery was first."""
    statement = database.insert(Event).values(row)
    statement = statement.on_conflict_do_update(
        index_elements=[Event.vendor, Event.environment, Event.identity], set_={"deliveries": Event.deliveries + 1}
    )
    return str(connection.execute(statement.returning(Event.id)).scalar_one())


def _keep_unless_latest(connection: Connection, row: dict[str, Any], fingerprint: bytes) -> str:
    """The id of the event, which is the subject's latest if it says the same. The subject's row is the lock for its order."""
    key = {name: row[name] for name in ("vendor", "environment", "subject")}
    latest = {"latest_fingerprint": fingerprint, "latest_event_id": row["id"], "latest_body_sha256": row["body_sha256"]}
    statement = database.insert(Subject).values(key | latest)
    statement = statement.on_conflict_do_update(
        index_elements=[Subject.vendor, Subject.environment, Subject.subject],
        set_=latest | {"previous_body_sha256": Subject.latest_body_sha256},
        where=Subject.latest_fingerprint != fingerprint,
    )
    became_latest = connection.execute(statement.returning(Subject.previous_body_sha256)).one_or_none()
    if became_latest is None:
        latest_id = select(Subject.latest_event_id).filter_by(**key).scalar_subquery()
        again = update(Event).where(Event.id == latest_id).values(deliveries=Event.deliveries + 1).returning(Event.id)
        return str(connection.execute(again).scalar_one())
    (previous_body,) = became_latest
    if previous_body is not None and previous_body != row["body_sha256"]:
        seen = select(
            exists().where(*(getattr(Event, name) == value for name, value in key.items()), Event.body_sha256 == row["body_sha256"])
        )
        row = row | {"repeat": connection.execute(seen).scalar_one()}
    connection.execute(database.insert(Event).values(row))
    return str(row["id"])


def new_event_id() -> str:
    """A UUID of version 7: sorts by time, to about a quarter of a microsecond (RFC 9562, section 6.2, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random))


# handling -----------------------------------------------------------------------------------------------------

_CLAIMED: list[InstrumentedAttribute[Any]] = [
    Event.sequence, Event.id, Event.vendor, Event.environment, Event.headers, Event.body_sha256, Event.key_id, Event.sealed_body,
    Event.received_at, Event.repeat, Event.attempts, Event.replayed,
]  # fmt: skip


def claim(token: str, *, most: int, only: list[str] | None = None) -> list[Claimed]:
    """Claim pending events that are due, oldest first; `only` those with these ids, due or not. Commits."""
    now = clock.now()
    wanted = Event.due_at <= now if only is None else Event.id.in_(only)
    chosen = (
        select(Event.sequence)
        .where(Event.status == Outcome.PENDING, wanted, Event.claimed_by.is_(None), Event.suspect.is_(False))
        .order_by(Event.due_at, Event.sequence)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    with database.begin() as connection:
        rows = connection.execute(
            update(Event).where(Event.sequence.in_(chosen)).values(claimed_by=token, claimed_until=now + LEASE).returning(*_CLAIMED)
        ).all()
    return sorted((_claimed(row) for row in rows), key=lambda event: event.sequence)


def claim_suspect(token: str) -> tuple[Claimed, bool] | None:
    """Claim one event whose holder died or hung, so that it takes no other with it; say whether it was alone then, too. Commits."""
    now = clock.now()
    chosen = (
        select(Event.sequence, Event.suspect, Event.claimed_by)
        .where(
            Event.status == Outcome.PENDING,
            or_(Event.claimed_until < now, and_(Event.suspect, Event.claimed_by.is_(None), Event.due_at <= now)),
        )
        .order_by(Event.due_at, Event.sequence)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with database.begin() as connection:
        found = connection.execute(chosen).one_or_none()
        if found is None:
            return None
        row = connection.execute(
            update(Event)
            .where(Event.sequence == found.sequence)
            .values(claimed_by=token, claimed_until=now + LEASE, suspect=True)
            .returning(*_CLAIMED)
        ).one()
    return _claimed(row), bool(found.suspect and found.claimed_by)


def hold(connection: Connection, token: str, sequences: list[int]) -> bool:
    """Lock claimed events for settling; return whether all of them are still ours."""
    mine = select(Event.sequence).where(Event.sequence.in_(sequences), Event.claimed_by == token).order_by(Event.sequence)
    return len(connection.execute(mine.with_for_update()).all()) == len(sequences)


def settle(connection: Connection, settlements: list[Settlement]) -> None:
    """Write how events ended. They are held."""
    names = ("status", "reason", "event_type", "reference", "occurred_at")
    written = update(Event).where(Event.sequence == bindparam("held")).values(
        {name: bindparam(f"its_{name}") for name in names}
        | {"settled_at": clock.now(), "attempts": Event.attempts + 1}
        | {"claimed_by": None, "claimed_until": None, "suspect": False, "replayed": False}
    )  # fmt: skip
    rows = [{"held": one.sequence} | {f"its_{name}": getattr(one, name) for name in names} for one in settlements]
    connection.execute(written, rows)


def postpone(sequence: int, *, token: str, due_at: datetime, error: str) -> None:
    """Give a claimed event back, to be tried again later. Commits."""
    _give_back(sequence, token, due_at=due_at, reason=error, attempts=Event.attempts + 1)


def bury(sequence: int, *, token: str, reason: str) -> None:
    """Make a claimed event a dead letter. Commits."""
    _give_back(sequence, token, status=Outcome.FAILED, reason=reason, settled_at=clock.now(), attempts=Event.attempts + 1, suspect=False)


def release(token: str) -> None:
    """Give back whatever this token still holds, as if it had never been claimed. Commits."""
    with database.begin() as connection:
        held = (Event.status == Outcome.PENDING) & (Event.claimed_by == token)
        connection.execute(update(Event).where(held).values(claimed_by=None, claimed_until=None))


def reopen(connection: Connection, event_id: str) -> bool | None:
    """Make a settled event pending again, to be replayed; False if it is pending anyway, None if there is none."""
    status = connection.execute(select(Event.status).where(Event.id == event_id).with_for_update()).scalar_one_or_none()
    if status is None:
        return None
    if status == Outcome.PENDING:
        return False
    connection.execute(
        update(Event)
        .where(Event.id == event_id)
        .values(status=Outcome.PENDING, settled_at=None, due_at=clock.now(), attempts=0, suspect=False, replayed=True)
    )
    return True


def _give_back(sequence: int, token: str, **values: object) -> None:
    with database.begin() as connection:
        mine = (Event.sequence == sequence) & (Event.claimed_by == token)
        connection.execute(update(Event).where(mine).values(claimed_by=None, claimed_until=None, **values))


def _claimed(row: Row[Any]) -> Claimed:
    return Claimed(**row._mapping)


# which applicants an event named -------------------------------------------------------------------------------


def mention(connection: Connection, named: list[dict[str, Any]]) -> None:
    """Remember which applicants events named: rows of vendor, environment, reference, event_sequence."""
    if named:
        connection.execute(database.insert(Mention).values(named).on_conflict_do_nothing())


def mentioned(connection: Connection, sequence: int) -> list[str]:
    """The references that an event named when it was last handled."""
    return list(connection.execute(select(Mention.reference).where(Mention.event_sequence == sequence)).scalars())


def forget_mentions(connection: Connection, sequence: int) -> None:
    connection.execute(Mention.__table__.delete().where(Mention.event_sequence == sequence))  # type: ignore[attr-defined]


def naming(connection: Connection, *, vendor: str, environment: str, reference: str) -> list[Claimed]:
    """Every handled event that named an applicant, in the order of receipt."""
    named = select(Mention.event_sequence).filter_by(vendor=vendor, environment=environment, reference=reference)
    rows = connection.execute(select(*_CLAIMED).where(Event.sequence.in_(named)).order_by(Event.sequence))
    return [_claimed(row) for row in rows]


# reading ------------------------------------------------------------------------------------------------------

_DESCRIBED: list[InstrumentedAttribute[Any]] = [
    Event.sequence, Event.id, Event.vendor, Event.environment, Event.event_type, Event.reference, Event.status, Event.reason,
    Event.occurred_at, Event.received_at, Event.settled_at, Event.repeat, Event.deliveries, Event.attempts,
]  # fmt: skip


def find(connection: Connection, event_id: str) -> dict[str, Any] | None:
    """An event as the contract describes it, without its body."""
    row = connection.execute(select(*_DESCRIBED).where(Event.id == event_id)).one_or_none()
    return describe(row) if row else None


def listing(
    connection: Connection,
    *,
    environment: str,
    vendor: str | None = None,
    status: str | None = None,
    reference: str | None = None,
    received_after: datetime | None = None,
    after: int = 0,
    limit: int,
) -> list[Row[Any]]:
    """Events in the order of receipt, after a sequence number."""
    query = select(*_DESCRIBED).where(Event.environment == environment, Event.sequence > after)
    if vendor:
        query = query.where(Event.vendor == vendor)
    if status:
        query = query.where(Event.status == status)
    if reference:
        naming = select(Mention.event_sequence).where(Mention.environment == environment, Mention.reference == reference)
        query = query.where(Event.sequence.in_(naming.where(Mention.vendor == vendor) if vendor else naming))
    if received_after:
        query = query.where(Event.received_at > received_after)
    return list(connection.execute(query.order_by(Event.sequence).limit(limit)).all())


def body(connection: Connection, event_id: str) -> bytes | None:
    """An event's body, byte for byte; None if there is no such event. Raises Unopenable."""
    columns = (Event.sealed_body, Event.key_id)
    row = connection.execute(select(*columns).where(Event.id == event_id)).one_or_none()
    return row and _keyring().open(row.sealed_body, key_id=row.key_id, event_id=event_id)


def newest_id(connection: Connection) -> str | None:
    """The id of the event that was kept last."""
    return connection.execute(select(Event.id).order_by(Event.sequence.desc()).limit(1)).scalar_one_or_none()


def describe(row: Row[Any]) -> dict[str, Any]:
    """An event as the contract shows it."""
    told = {name: value for name, value in row._mapping.items() if name != "sequence"}
    return told | {name: clock.rfc3339(told[name]) for name in ("occurred_at", "received_at", "settled_at")}


@cache
def _keyring() -> Keyring:
    return Keyring(config.settings().encryption_keys)
