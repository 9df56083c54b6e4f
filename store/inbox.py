"""The inbox: each event once, durable before anyone hears of it."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select, update
from sqlalchemy.exc import SQLAlchemyError

from store import clock, database, faults
from store.deadline import Crew, Overdue
from store.models import Event, Subject
from store.sealing import keyring

#: A delivery is answered within 2 seconds, also when the database hangs; this leaves time for the answer itself.
RECORD_SECONDS = 1.6

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
