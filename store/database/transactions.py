"""Transactions: to write or to read, retried where that helps, on tables that are up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from store import config
from store.database.engine import engine, is_sqlite, patience
from store.database.sessions import OthersWrite, Unfit
from store.system import interrupts
from store.system.file_locks import HostLock

#: What the database raises when it is unavailable, busy or full, in contrast to what it raises over its input.
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
    """Yield a transaction that may write: committed at the end, rolled back on any exception."""
    _ensure_migrated()
    with interrupts.held_back(), _turn() if is_sqlite() else nullcontext(), engine().begin() as connection:
        yield connection


@contextmanager
def reading() -> Iterator[Connection]:
    """Yield a transaction that only reads. On SQLite it never waits for a writer."""
    _ensure_migrated()
    with engine().connect().execution_options(reads_only=True) as connection:
        yield connection


def relax_durability(connection: Connection) -> None:
    """Commit without waiting for the disk (`synchronous_commit = off`). Only for writes that may be lost in a power failure."""
    if not is_sqlite():
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")


def take_lock(connection: Connection, name: bytes, *, shared: bool = False) -> None:
    """Hold the lock of a name, of at most 8 bytes, until the transaction ends: alone, or with others that share it.

    On SQLite a transaction that writes is alone anyway."""
    if connection.dialect.name == "postgresql":
        lock = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        connection.execute(select(lock(int.from_bytes(name))))


def write(work: Callable[[Connection], T]) -> T:
    """Return what the work returns, committed. The work must be safe to run twice: see `again`."""

    def once() -> T:
        with begin() as connection:
            return work(connection)

    return again(once)


def read(work: Callable[[Connection], T]) -> T:
    """Return what the work reads. It may run twice: see `again`."""

    def once() -> T:
        with reading() as connection:
            return work(connection)

    return again(once)


def again(work: Callable[[], T]) -> T:
    """Run some work; once more if its connection broke, or after a deadlock."""
    try:
        return work()
    except DBAPIError as error:
        _look_again(error)
        if not error.connection_invalidated and getattr(error.orig, "sqlstate", None) not in _MOMENTARY:
            raise
    return work()


def _look_again(error: DBAPIError) -> None:
    """Check the tables before the next transaction, if a statement did not fit them."""
    state, says = str(getattr(error.orig, "sqlstate", "")), str(error.orig)
    if state.startswith("42") or "no such" in says or "has no column" in says:
        _checked.clear()


def is_away(error: Exception) -> bool:
    """Return whether a failure is the database's (unavailable, busy, full, a deadlock), so that a retry may help."""
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


def forget() -> None:
    """Close the engine and forget the settings, as though the process had just started."""
    if engine.cache_info().currsize:
        engine().dispose()
    engine.cache_clear()
    is_sqlite.cache_clear()
    config.settings.cache_clear()
    _checked.clear()


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for this process's turn to write to SQLite. SQLite lets waiting writers poll, so that some starve.

    With 8 senders and a worker, 3 to 8 deliveries in 2,000 exceeded their timeout; with turns none."""
    with ExitStack() as turn:
        try:
            mine = turn.enter_context(_turns(f"{engine().url.database}.turn").held(seconds=patience.seconds))
        except OSError as error:
            raise PoolExhausted("the database's folder cannot be written") from error
        if not mine:
            raise OthersWrite("others are writing")
        yield


@cache
def _turns(path: str) -> HostLock:
    return HostLock(Path(path))


def _ensure_migrated() -> None:
    """Check the tables now and then. Raises Unfit while this code cannot use them."""
    url = config.settings().database_url
    known = _checked.get(url)
    if known is None or time.monotonic() - known[0] > (REFUSED_SECONDS if known[1] else CHECKED_SECONDS):
        known = _look_at_tables(url, known)
    if known[1]:
        raise type(known[1])(str(known[1]))


def _look_at_tables(url: str, known: tuple[float, Unfit | None] | None) -> tuple[float, Unfit | None]:
    """Check the tables. While one thread does so, the others use the last result."""
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
    from store.database.migrations import upgrade  # It imports this module.

    try:
        upgrade(engine())
    except Unfit as unfit:
        return unfit
    return None
