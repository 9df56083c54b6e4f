"""The engine: how this process connects. It is created on first use."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase

from store import config
from store.database import hosts, sessions
from store.system import fault_points

#: Seconds to wait for another's lock (SQLite) or for a free connection of the pool.
PATIENCE_SECONDS = 1.5

#: The same for the lock, where a person waits who typed a command.
COMMAND_PATIENCE_SECONDS = 30.0

#: SQLite waits for a lock without letting go of the process, so it waits but briefly at a time, and is asked again.
BUSY_SECONDS = 0.02

#: Connections a process may hold: those of the crews that keep and read, and a few to look after the whole.
CONNECTIONS_MAX = 20

#: How long a host of PostgreSQL may say nothing, where the URL does not say otherwise: to connect, and within a connection.
PATIENT = {"connect_timeout": 2, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}


class Patience:
    """How long this process waits for another's lock (SQLite)."""

    seconds = PATIENCE_SECONDS

    @contextmanager
    def of_a_command(self) -> Iterator[None]:
        """Wait longer in the meantime: no vendor waits for an answer."""
        before, self.seconds = self.seconds, COMMAND_PATIENCE_SECONDS
        try:
            yield
        finally:
            self.seconds = before


patience = Patience()


@cache
def engine() -> Engine:
    """Return this process's engine."""
    return engine_of(make_url(config.settings().database_url))


def engine_of(url: URL) -> Engine:
    """Return an engine. Errors do not show parameters, because they hold personal data."""
    options: dict[str, Any] = {"hide_parameters": True, "json_serializer": _encode, "json_deserializer": msgspec.json.decode}
    if url.get_backend_name() == "sqlite":
        made = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None}, **options)
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    return _postgresql_engine(url, options)


def _postgresql_engine(url: URL, options: dict[str, Any]) -> Engine:
    pooled = config.database_pooler() == "transaction"
    made = create_engine(
        url.difference_update_query(["options"]) if pooled else url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=PATIENCE_SECONDS,
        use_native_hstore=False,  # Otherwise the first connection looks for a type that no table has, within a savepoint.
        connect_args={
            **{name: value for name, value in PATIENT.items() if name not in url.query},
            "target_session_attrs": hosts.attributes(url),
            **sessions.connect_arguments(pooled=pooled),
        },
        **options,
    )
    sessions.prepare(made, url, pooled=pooled)
    hosts.prepare(made, url)
    return made


def insert(model: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that knows ON CONFLICT, in this database's dialect."""
    dialect = sqlite if is_sqlite() else postgresql
    table = model.__table__
    assert isinstance(table, Table)
    statement: postgresql.Insert | sqlite.Insert = dialect.insert(table)
    return statement


@cache
def is_sqlite() -> bool:
    return engine().dialect.name == "sqlite"


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    _write_ahead(cursor)
    # A 2xx promises that the event survives a power cut.
    cursor.execute("PRAGMA synchronous = FULL")
    # What is deleted is overwritten with zeros.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch to write-ahead logging. SQLite does not wait for a lock here, and processes may start together."""
    deadline = time.monotonic() + 10
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _begin_sqlite(connection: Connection) -> None:
    if pages := fault_points.sqlite_pages_max():
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    if connection.get_execution_options().get("reads_only"):
        connection.exec_driver_sql("BEGIN")
    else:
        _begin_writing(connection)


def _begin_writing(connection: Connection) -> None:
    """Begin with a write lock. A transaction that reads first and writes later fails at once if another one wrote in between, whatever
    the timeout."""
    deadline = time.monotonic() + connection.get_execution_options().get("patience_seconds", patience.seconds)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_busy(error: OperationalError) -> bool:
    """Return whether another connection holds SQLite's lock, so that waiting helps."""
    return isinstance(error.orig, sqlite3.OperationalError) and error.orig.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
