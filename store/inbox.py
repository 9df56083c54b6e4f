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

from sqlalchemy import Connection, Row, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from store import clock, config, database, faults
from store.deadline import Crew, Overdue
from store.models import Event, Subject
from store.sealing import Keyring
from store.states import Outcome

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the answer itself.
RECORD_SECONDS = 1.6

#: How long a claim lasts. A worker that has not settled by then is taken for dead.
LEASE = timedelta(seconds=30)

#: The most that one claim brings into memory, as far as it is more than one event.
CLAIMED_BYTES_MAX = 8 * 1024 * 1024

#: The form of an event's id; whatever else is asked for does not exist.
EVENT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


# A crew of its own: readers that wait for a slow database must not keep deliveries waiting.
_recorders = Crew("record", 8)


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
        return keyring().open(self.sealed_body, key_id=self.key_id, event_id=self.id)


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
    key_id, sealed_body = keyring().seal(delivery.body, event_id=event_id)
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
        return _recorders.within(RECORD_SECONDS, lambda: _record(row, delivery.identity))
    except (SQLAlchemyError, Overdue) as error:
        raise Unavailable(type(error).__name__) from error


def _record(row: dict[str, Any], fingerprint: bytes) -> Kept:
    """Commit a delivery. A connection that broke is replaced once; doing it twice is harmless, the id being the same."""
    event_id = database.write(lambda connection: _keep(connection, row, fingerprint))
    faults.reach("committed")
    return Kept(event_id, first=event_id == row["id"])


def _keep(connection: Connection, row: dict[str, Any], fingerprint: bytes) -> str:
    event_id = (_keep_once if row["subject"] is None else _keep_unless_latest)(connection, row, fingerprint)
    faults.reach("inserted")
    return event_id


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
    statement = database.insert(Subject).values(key | latest | {"latest_is_repeat": False})
    statement = statement.on_conflict_do_update(
        index_elements=[Subject.vendor, Subject.environment, Subject.subject],
        set_=latest | {"previous_body_sha256": Subject.latest_body_sha256},
        where=Subject.latest_fingerprint != fingerprint,
    )
    became_latest = connection.execute(statement.returning(Subject.previous_body_sha256, Subject.latest_is_repeat)).one_or_none()
    if became_latest is None:
        latest_id = select(Subject.latest_event_id).filter_by(**key).scalar_subquery()
        again = update(Event).where(Event.id == latest_id).values(deliveries=Event.deliveries + 1).returning(Event.id)
        return str(connection.execute(again).scalar_one())
    previous_body, previous_was_repeat = became_latest
    repeat = _is_repeat(connection, key, row["body_sha256"], previous_body, previous_was_repeat)
    if repeat != previous_was_repeat:
        connection.execute(update(Subject).filter_by(**key).values(latest_is_repeat=repeat))
    connection.execute(database.insert(Event).values(row | {"repeat": repeat}))
    return str(row["id"])


def _is_repeat(connection: Connection, key: dict[str, Any], body: bytes, previous: bytes | None, previous_was_repeat: bool) -> bool:
    """Whether a body was seen before and went out of date since. The latest body under another type is what it was before:
    the type is outside the signature, and must not make a repeat look new."""
    if previous is None:
        return False
    if previous == body:
        return previous_was_repeat
    seen = exists().where(*(getattr(Event, name) == value for name, value in key.items()), Event.body_sha256 == body)
    return bool(connection.execute(select(seen)).scalar_one())


def new_event_id() -> str:
    """A UUID of version 7: sorts by time, to about a quarter of a microsecond (RFC 9562, section 6.2, method 3)."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random))


# handling -----------------------------------------------------------------------------------------------------

CLAIMED: list[InstrumentedAttribute[Any]] = [
    Event.sequence, Event.id, Event.vendor, Event.environment, Event.headers, Event.body_sha256, Event.key_id, Event.sealed_body,
    Event.received_at, Event.repeat, Event.attempts, Event.replayed,
]  # fmt: skip


def claim(token: str, *, most: int, only: list[str] | None = None) -> list[Claimed]:
    """Claim pending events that are due, oldest first; `only` those with these ids, due or not. Commits."""
    now = clock.now()
    wanted = Event.due_at <= now if only is None else Event.id.in_(only)
    chosen = (
        select(Event.sequence, func.length(Event.sealed_body))
        .where(Event.status == Outcome.PENDING, wanted, Event.claimed_by.is_(None), Event.suspect.is_(False))
        .order_by(Event.due_at, Event.sequence)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    with database.begin() as connection:
        sizes = [(sequence, size) for sequence, size in connection.execute(chosen)]
        sequences = [sequence for sequence, _ in sizes[: _within_bytes([size for _, size in sizes])]]
        if not sequences:
            return []
        statement = update(Event).where(Event.sequence.in_(sequences)).values(claimed_by=token, claimed_until=now + LEASE)
        rows = connection.execute(statement.returning(*CLAIMED)).all()
    return sorted((claimed(row) for row in rows), key=lambda event: event.sequence)


def _within_bytes(sizes: list[int]) -> int:
    """How many of these bodies, from the first, are held in memory at a time: at least one."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count and total > CLAIMED_BYTES_MAX:
            return count
    return len(sizes)


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
            .returning(*CLAIMED)
        ).one()
    return claimed(row), bool(found.suspect and found.claimed_by)


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


def release_all(connection: Connection) -> None:
    """Give back whatever anybody holds: in a restored backup no lease is anybody's."""
    held = update(Event).where(Event.status == Outcome.PENDING, Event.claimed_by.is_not(None))
    connection.execute(held.values(claimed_by=None, claimed_until=None))


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


def claimed(row: Row[Any]) -> Claimed:
    """An event as it is handled, from its row."""
    return Claimed(**row._mapping)


@cache
def keyring() -> Keyring:
    """The keys for bodies at rest."""
    return Keyring(config.settings().encryption_keys)
