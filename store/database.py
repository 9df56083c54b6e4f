"""The database: engine and transactions, made on first use, its tables brought up to date before that."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import TimeoutError as QueueTimeout
from sqlalchemy.orm import DeclarativeBase

from store import config

#: Seconds to wait for another's lock (SQLite) or for a free connection of the pool.
PATIENCE_SECONDS = 1.5

#: Connections a process may hold; a web process has fewer threads than that.
CONNECTIONS_MAX = 20

_writing = threading.Lock()
_migrating = threading.Lock()
_migrated: set[str] = set()


@contextmanager
def begin() -> Iterator[Connection]:
    """A transaction that may write: committed at the end, rolled back on any exception."""
    _ensure_migrated()
    with _turn() if is_sqlite() else nullcontext(), engine().begin() as connection:
        yield connection


@contextmanager
def reading() -> Iterator[Connection]:
    """A transaction that only reads: on SQLite it never waits for a writer."""
    _ensure_migrated()
    with engine().connect().execution_options(reads_only=True) as connection:
        yield connection


@cache
def engine() -> Engine:
    """This process's engine. Parameters are hidden from errors, because they hold personal data."""
    url = make_url(config.settings().database_url)
    options: dict[str, Any] = {"hide_parameters": True, "json_serializer": _encode, "json_deserializer": msgspec.json.decode}
    if url.get_backend_name() == "sqlite":
        made = create_engine(url, connect_args={"timeout": PATIENCE_SECONDS, "isolation_level": None}, **options)
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_sqlite)
        return made
    return create_engine(
        url,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=PATIENCE_SECONDS,
        connect_args={
            "connect_timeout": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
        },
        **options,
    )


def insert(model: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in this database's dialect."""
    dialect = sqlite if is_sqlite() else postgresql
    table = model.__table__
    assert isinstance(table, Table)
    statement: postgresql.Insert | sqlite.Insert = dialect.insert(table)
    return statement


def is_sqlite() -> bool:
    return engine().dialect.name == "sqlite"


def forget() -> None:
    """Let go of the engine and of what was read from the environment, as a process does that starts afresh."""
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()
    config.settings.cache_clear()
    _migrated.clear()


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one's turn to write to SQLite, which itself lets waiting writers poll, so that some starve.

    With 8 senders and a worker it took 3 to 8 deliveries in 2,000 past their patience; with turns none."""
    if not _writing.acquire(timeout=PATIENCE_SECONDS):
        raise QueueTimeout("another thread is writing")
    try:
        with Path(f"{engine().url.database}.turn").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    finally:
        _writing.release()


def _ensure_migrated() -> None:
    url = config.settings().database_url
    if url in _migrated:
        return
    from store.migrations import upgrade  # Alembic takes a while to load, and is needed once in a process.

    with _migrating:
        if url not in _migrated:
            upgrade(engine())
            _migrated.add(url)


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(PATIENCE_SECONDS * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    _write_ahead(cursor)
    # A 2xx promises that the event survives a power cut.
    cursor.execute("PRAGMA synchronous = FULL")
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
    # A transaction that reads first and writes later would fail at once, however long the timeout, if another wrote in between.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads_only") else "BEGIN IMMEDIATE")
