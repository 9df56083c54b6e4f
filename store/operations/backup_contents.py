"""The contents of a backup's file, after a check of its integrity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, NullPool, create_engine, func, inspect, select
from sqlalchemy.exc import DBAPIError

from store.database import migrations
from store.database.tables import ApplicantRow, EventRow, Feed, TransitionRow
from store.inbox import events
from store.inbox.encryption import Unopenable
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
    #: How many bodies each key encrypted, by the key's id.
    bodies: dict[str, int]
    #: Of those keys, the ones that are not configured, or do not open the newest body that they should.
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
    by_key = select(EventRow.key_id, func.count().label("bodies")).group_by(EventRow.key_id).order_by(EventRow.key_id)
    bodies = {row.key_id: row.bodies for row in connection.execute(by_key)}
    return Contents(
        events=events_kept,
        applicants=applicants_known,
        newest_received_at=connection.execute(newest).scalar_one_or_none(),
        file_bytes=file.stat().st_size,
        bodies=bodies,
        missing_keys=tuple(key for key in bodies if not _opens(connection, key)),
    )


def _opens(connection: Connection, key: str) -> bool:
    """Return whether the newest body that a key encrypted can be opened."""
    newest = select(EventRow.id).where(EventRow.key_id == key).order_by(EventRow.sequence.desc()).limit(1)
    try:
        events.body(connection, connection.execute(newest).scalar_one())
    except Unopenable:
        return False
    return True
