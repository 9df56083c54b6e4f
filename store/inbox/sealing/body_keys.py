"""The data keys of events: kept with the event, read with its body, deleted with it.

The first body that a master key protects records that key in `master_keys`, in the same transaction. So no backup can hold a body of
a master key of which the database does not know since when it is in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Label, delete, select, update

from store import database
from store.database.privacy_tables import BodyKey, MasterKey
from store.database.tables import EventRow
from store.inbox.sealing.encryption import WrappedKey, keyring
from store.system import clock

#: The columns of a wrapped key, to be selected with columns of its event, or returned where events are updated.
COLUMNS: list[Label[Any]] = [
    select(column).where(BodyKey.event_id == EventRow.id).correlate(EventRow).scalar_subquery().label(name)
    for name, column in (("wrapped_by", BodyKey.key_id), ("wrapped_key", BodyKey.wrapped))
]


#: PostgreSQL's INSERT of keys that are given as JSON, in which bytes are base64.
_INSERTION = (
    "INSERT INTO body_keys (event_id, key_id, wrapped) SELECT event_id, key_id, decode(wrapped, 'base64')"
    " FROM json_to_recordset(CAST(%s AS json)) AS given (event_id uuid, key_id text, wrapped text)"
)


def wrapped_key(wrapped_by: str | None, wrapped: bytes | None) -> WrappedKey | None:
    """Return a wrapped key, from the values of `COLUMNS`; None: the event has none."""
    return WrappedKey(wrapped_by, wrapped) if wrapped_by is not None and wrapped is not None else None


def insert(connection: Connection, keys: Mapping[str, WrappedKey]) -> None:
    """Keep the keys of events that have none, by the events' ids."""
    if not keys:
        return
    # Written by hand: each delivery waits for it, and through SQLAlchemy's types, or as arrays, it takes twice the processor time. One text
    # for any number of keys: the driver would translate each other text again, and PostgreSQL plan it.
    if database.is_sqlite():
        rows = [(event_id.replace("-", ""), key.key_id, key.wrapped) for event_id, key in keys.items()]
        connection.exec_driver_sql("INSERT INTO body_keys (event_id, key_id, wrapped) VALUES (?, ?, ?)", rows)
    else:
        given = [{"event_id": event_id, "key_id": key.key_id, "wrapped": key.wrapped} for event_id, key in keys.items()]
        connection.exec_driver_sql(_INSERTION, (msgspec.json.encode(given).decode(),))
    record_use(connection, {key.key_id for key in keys.values()})


def forget(connection: Connection, event_ids: Collection[str]) -> None:
    """Delete the keys of events, whose bodies can never be opened again."""
    connection.execute(delete(BodyKey).where(BodyKey.event_id.in_(event_ids)))


def record_use(connection: Connection, key_ids: Collection[str], *, since: datetime | None = None) -> None:
    """Record master keys that are used for the first time."""
    known = keyring().recorded
    for key_id in set(key_ids) - known:
        row = database.insert(MasterKey).values(key_id=key_id, first_used_at=since or clock.now())
        if connection.execute(row.on_conflict_do_nothing().returning(MasterKey.key_id)).first() is None:
            # Found, not inserted: this transaction could still be undone.
            known.add(key_id)


def remember(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add what another database knows of master keys: of two first uses the earlier one counts, and what is destroyed stays destroyed."""
    known = {row.key_id: row for row in connection.execute(select(MasterKey.__table__))}
    for row in rows:
        mine = known.get(row["key_id"])
        if mine is None:
            connection.execute(database.insert(MasterKey).values(**row))
            continue
        gone = {name: row[name] for name in ("destroyed_at", "destroyed_by") if row["destroyed_at"]}
        earliest = {"first_used_at": min(mine.first_used_at, row["first_used_at"])}
        connection.execute(update(MasterKey).where(MasterKey.key_id == mine.key_id).values(**earliest, **gone))
