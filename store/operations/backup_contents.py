"""The contents of a backup's file, after a check of its integrity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from store.database import migrations
from store.database.privacy_tables import BodyKey, MasterKey
from store.database.tables import ApplicantRow, EventRow, Feed, TransitionRow
from store.inbox import events
from store.inbox.sealing.encryption import NO_MASTER_KEY, Unopenable, keyring
from store.operations import key_rotation
from store.operations.exclusive_access import connect

#: By these a database is known for one of Standing's, of whatever revision.
TABLES = {table.__tablename__ for table in (EventRow, ApplicantRow, TransitionRow, Feed)}


class Refused(Exception):
    """The operation is refused. The message says why, and what to do instead."""


class Failed(Exception):
    """The operation failed: a file is not what it should be, or a disk is full."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a database's file holds."""

    events: int
    applicants: int
    newest_received_at: datetime | None
    file_bytes: int
    #: How many bodies each master key protects, by the key's id.
    bodies: dict[str, int]
    #: Of those keys, the ones that are not configured, or do not open the newest body that they protect.
    missing_keys: tuple[str, ...]

    @property
    def openable(self) -> int:
        """How many bodies the configured keys open."""
        return sum(count for key, count in self.bodies.items() if key not in self.missing_keys)

    @property
    def is_sealed(self) -> bool:
        """Whether there are bodies, and no configured key opens one."""
        return bool(self.bodies) and not self.openable


def examine(file: Path) -> Contents:
    """Return what a file holds, after a check of its integrity. Raises Failed if it is no database of Standing, Refused if newer code
    made it."""
    if not file.is_file():
        raise Refused(f"there is no file {file}")
    with _reading(file) as connection:
        found = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one())
        if found != "ok":
            raise Failed(f"{file} is damaged: {found}")
        _refuse_a_stranger(connection, file)
        return _contents(connection, file)


def glance(file: Path) -> Contents:
    """Return what a file says that it holds. Raises Failed if it cannot be read."""
    with _reading(file) as connection:
        return _contents(connection, file)


def master_keys(file: Path) -> list[dict[str, Any]]:
    """Return what a file knows of master keys; nothing if there is no file, it cannot be read, or it is older than they."""
    try:
        with _reading(file) as connection:
            found = connection.execute(select(MasterKey.__table__)).all() if _has_body_keys(connection) else []
            return [dict(row._mapping) for row in found]
    except Failed:
        return []


@contextmanager
def _reading(file: Path) -> Iterator[Connection]:
    """Yield a connection to a file, which it does not change."""
    engine = create_engine("sqlite://", creator=lambda: connect(file, mode="ro"), poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as error:
        raise Failed(f"{file} is no SQLite database, or is damaged: {error.orig}") from error


def _refuse_a_stranger(connection: Connection, file: Path) -> None:
    revision = migrations.revision(connection)
    if revision is None or TABLES - set(inspect(connection).get_table_names()):
        raise Failed(f"{file} is not a database of Standing's")
    if revision not in migrations.known():
        raise Refused(f"the tables in {file} are of revision {revision}, which this version of Standing does not know: a newer one made it")


def _contents(connection: Connection, file: Path) -> Contents:
    counts = (connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (EventRow, ApplicantRow))
    events_kept, applicants_known = counts
    newest = select(EventRow.received_at).order_by(EventRow.sequence.desc()).limit(1)
    bodies = _bodies_by_key(connection)
    return Contents(
        events=events_kept,
        applicants=applicants_known,
        newest_received_at=connection.execute(newest).scalar_one_or_none(),
        file_bytes=file.stat().st_size,
        bodies=bodies,
        missing_keys=tuple(key for key in bodies if not _opens(connection, key)),
    )


def _bodies_by_key(connection: Connection) -> dict[str, int]:
    """Return how many bodies each master key protects. A file of before revision 0017 has bodies of the old form alone."""
    if _has_body_keys(connection):
        return dict(sorted(key_rotation.bodies_by_key(connection).items()))
    by_key = select(EventRow.key_id, func.count()).where(EventRow.key_id != NO_MASTER_KEY).group_by(EventRow.key_id)
    return dict(connection.execute(by_key.order_by(EventRow.key_id)).all())


def _opens(connection: Connection, key: str) -> bool:
    """Return whether the newest body that a key protects can be opened."""
    try:
        _open_newest(connection, key)
    except Unopenable:
        return False
    return True


def _open_newest(connection: Connection, key: str) -> None:
    """Open the newest body of a key, in each form that there is. Raises Unopenable."""
    old = select(EventRow.id, EventRow.sealed_body).where(EventRow.key_id == key).order_by(EventRow.sequence.desc()).limit(1)
    for row in connection.execute(old):
        keyring().open(row.sealed_body, key_id=key, event_id=row.id, wrapped=None)
    if _has_body_keys(connection):
        newest = select(BodyKey.event_id).where(BodyKey.key_id == key).order_by(BodyKey.event_id.desc()).limit(1)
        for event_id in connection.execute(newest).scalars().all():
            events.body(connection, event_id)


def _has_body_keys(connection: Connection) -> bool:
    return inspect(connection).has_table(BodyKey.__tablename__)
