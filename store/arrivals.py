"""Arrivals: what becomes of a delivery in the database. A new event, or one more delivery of one that is kept."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, select, update

from store import clock, database
from store.models import Event, Subject
from store.sealing import keyring


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


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A delivery, sealed, under the id that its event will have if it is the first."""

    id: str
    vendor: str
    environment: str
    headers: dict[str, str]
    identity: bytes
    subject: bytes | None
    body_sha256: bytes
    key_id: str
    sealed_body: bytes
    received_at: datetime

    @property
    def row(self) -> dict[str, Any]:
        """The event's row, were it new."""
        return vars(self) | {"identity": None if self.subject else self.identity, "repeat": False}


def arrive(delivery: Delivery) -> Arrival:
    """Seal a delivery."""
    event_id = new_event_id()
    key_id, sealed_body = keyring().seal(delivery.body, event_id=event_id)
    return Arrival(
        id=event_id,
        vendor=delivery.vendor,
        environment=delivery.environment,
        headers=delivery.headers,
        identity=delivery.identity,
        subject=delivery.subject,
        body_sha256=hashlib.sha256(delivery.body).digest(),
        key_id=key_id,
        sealed_body=sealed_body,
        received_at=clock.now(),
    )


def keep(connection: Connection, arrival: Arrival) -> str:
    """The id of the event that an arrival belongs to: its own, if it is the first. It may be done twice: the id is the same."""
    return _keep_once(connection, arrival) if arrival.subject is None else _keep_unless_latest(connection, arrival)


def among(connection: Connection, event_ids: list[str]) -> set[str]:
    """Those of some ids under which an event is kept."""
    return set(connection.execute(select(Event.id).where(Event.id.in_(event_ids))).scalars())


def _keep_once(connection: Connection, arrival: Arrival) -> str:
    """The id of the one event with this identity; the unique index decides which delivery was first."""
    statement = database.insert(Event).values(arrival.row)
    statement = statement.on_conflict_do_update(
        index_elements=[Event.vendor, Event.environment, Event.identity],
        set_={"deliveries": Event.deliveries + 1},
        where=Event.id != arrival.id,
    )
    return str(connection.execute(statement.returning(Event.id)).scalar_one_or_none() or arrival.id)


def _keep_unless_latest(connection: Connection, arrival: Arrival) -> str:
    """The id of the event, which is the subject's latest if it says the same. The subject's row is the lock for its order."""
    key = {"vendor": arrival.vendor, "environment": arrival.environment, "subject": arrival.subject}
    latest = {"latest_fingerprint": arrival.identity, "latest_event_id": arrival.id, "latest_body_sha256": arrival.body_sha256}
    statement = database.insert(Subject).values(key | latest | {"latest_is_repeat": False})
    statement = statement.on_conflict_do_update(
        index_elements=[Subject.vendor, Subject.environment, Subject.subject],
        set_=latest | {"previous_body_sha256": Subject.latest_body_sha256},
        where=Subject.latest_fingerprint != arrival.identity,
    )
    became_latest = connection.execute(statement.returning(Subject.previous_body_sha256, Subject.latest_is_repeat)).one_or_none()
    if became_latest is None:
        latest_id = select(Subject.latest_event_id).filter_by(**key).scalar_subquery()
        again = update(Event).where(Event.id == latest_id, Event.id != arrival.id).values(deliveries=Event.deliveries + 1)
        return str(connection.execute(again.returning(Event.id)).scalar_one_or_none() or arrival.id)
    previous_body, previous_was_repeat = became_latest
    repeat = _is_repeat(connection, key, arrival.body_sha256, previous_body, previous_was_repeat)
    if repeat != previous_was_repeat:
        connection.execute(update(Subject).filter_by(**key).values(latest_is_repeat=repeat))
    connection.execute(database.insert(Event).values(arrival.row | {"repeat": repeat}))
    return arrival.id


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
