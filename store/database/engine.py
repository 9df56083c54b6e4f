"""The database: engine and transactions, made on first use, its tables brought up to date before that."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.orm import DeclarativeBase

from store import config
from store.database import sessions
from store.database.sessions import Unfit
from store.system import fault_points
from store.system.file_locks import HostLock

#: Seconds to wait for another's lock (SQLite) or for a free connection of the pool.
PATIENCE_SECONDS = 1.5

#: SQLite waits for a lock without letting go of the process, so it waits but briefly at a time, and is asked again.
BUSY_SECONDS = 0.02

#: Connections a process may hold: those of the crews that keep and read, and a few to look after the whole.
CONNECTIONS_MAX = 20

#: What the database raises when it is away, busy or full, as against what it raises over what it is given.
Failure = (DBAPIError, PoolExhausted, Unfit)

#: A serialization failure and a deadlock: the same work is likely to succeed at once.
_MOMENTARY = ("40001", "40P01")

#: Seconds until the tables' revision is looked at again.
CHECKED_SECONDS, REFUSED_SECONDS = 5.0, 1.0

#: PostgreSQL's classes of errors that are the world's fault (Appendix A of its manual), and SQLite's words for them.
_WORLDLY_CLASSES = ("08", "25", "40", "53", "55", "57", "58", "XX")
_WORLDLY_WORDS = ("locked", "busy", "readonly", "read-only", "disk", "full", "unable to open")

T = TypeVar("T")

_migrating = threading.Lock()
#: When the tables of each database were looked at, and what is wrong with them.
_checked: dict[str, tuple[float, Unfit | None]] = {}


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


def need_not_last(connection: Connection) -> None:
    """Let PostgreSQL not wait for its disk at this commit: what a power cut would undo may be undone."""
    if not is_sqlite():
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def write(work: Callable[[Connection], T]) -> T:
    """Return what the work returns, committed. The work must bear being done twice: see `again`."""

    def once() -> T:
        with begin() as connection:
            return work(connection)

    return again(once)


def read(work: Callable[[Connection], T]) -> T:
    """Return what the work reads. It may be done twice: see `again`."""

    def once() -> T:
        with reading() as connection:
            return work(connection)

    return again(once)


def again(work: Callable[[], T]) -> T:
    """Do some work; once more if its connection broke, or if another transaction was in its way (a deadlock)."""
    try:
        return work()
    except DBAPIError as error:
        _look_again(error)
        if not error.connection_invalidated and getattr(error.orig, "sqlstate", None) not in _MOMENTARY:
            raise
    return work()


def _look_again(error: DBAPIError) -> None:
    """Look at the tables before the next transaction, if a statement did not fit them."""
    state, says = str(getattr(error.orig, "sqlstate", "")), str(error.orig)
    if state.startswith("42") or "no such" in says or "has no column" in says:
        _checked.clear()


def is_away(error: Exception) -> bool:
    """Whether a failure is the database's (away, busy, full, a deadlock), so that trying again later helps."""
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return isinstance(error, Failure)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_WORLDLY_CLASSES)
    return any(word in str(error.orig).lower() for word in _WORLDLY_WORDS) or not _answers()


def _answers() -> bool:
    try:
        with reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return True
    except Failure:
        return False


@cache
def engine() -> Engine:
    """This process's engine."""
    return engine_of(make_url(config.settings().database_url))


def engine_of(url: URL) -> Engine:
    """An engine. Parameters are hidden from errors, because they hold personal data."""
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
        connect_args={
            "connect_timeout": 2,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            **sessions.connect_arguments(pooled=pooled),
        },
        **options,
    )
    sessions.prepare(made, url, pooled=pooled)
    return made


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
    _checked.clear()


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one's turn to write to SQLite, which itself lets waiting writers poll, so that some starve.

    With 8 senders and a worker it took 3 to 8 deliveries in 2,000 past their patience; with turns none."""
    with ExitStack() as turn:
        try:
            mine = turn.enter_context(_turns(f"{engine().url.database}.turn").held(seconds=PATIENCE_SECONDS))
        except OSError as error:
            raise PoolExhausted("the database's folder cannot be written") from error
        if not mine:
            raise PoolExhausted("others are writing")
        yield


@cache
def _turns(path: str) -> HostLock:
    return HostLock(Path(path))


def _ensure_migrated() -> None:
    """See to the tables, now and then. Raises Unfit while they do not bear this code."""
    url = config.settings().database_url
    known = _checked.get(url)
    if known is None or time.monotonic() - known[0] > (REFUSED_SECONDS if known[1] else CHECKED_SECONDS):
        known = _look_at_tables(url, known)
    if known[1]:
        raise type(known[1])(str(known[1]))


def _look_at_tables(url: str, known: tuple[float, Unfit | None] | None) -> tuple[float, Unfit | None]:
    """Look at the tables. While one thread does so, the others go by what is known."""
    if not _migrating.acquire(blocking=known is None):
        assert known
        return known
    try:
        found = _checked.get(url)
        if found is known or found is None:
            found = _checked[url] = time.monotonic(), _what_is_wrong()
        return found
    finally:
        _migrating.release()


def _what_is_wrong() -> Unfit | None:
    from store.database.migrations import upgrade  # Alembic takes a while to load, and is needed once in a process.

    try:
        upgrade(engine())
    except Unfit as unfit:
        return unfit
    return None


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
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
    if pages := fault_points.sqlite_pages_max():
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    if connection.get_execution_options().get("reads_only"):
        connection.exec_driver_sql("BEGIN")
    else:
        _begin_writing(connection)


def _begin_writing(connection: Connection) -> None:
    """A transaction that reads first and writes later would fail at once, however long the patience, if another wrote in between."""
    deadline = time.monotonic() + connection.get_execution_options().get("patience_seconds", PATIENCE_SECONDS)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_busy(error: OperationalError) -> bool:
    """Whether another connection holds SQLite's lock, so that waiting helps."""
    return isinstance(error.orig, sqlite3.OperationalError) and error.orig.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
