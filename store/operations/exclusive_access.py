"""Exclusive access to the embedded database: no process has it open, and none opens it meanwhile."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from store import config
from store.system import file_locks

#: Seconds to wait for somebody who is just letting go of the database.
PATIENCE_SECONDS = 1.0

#: Where SQLite locks a database's file (its file format, "the lock-byte page"), and how many bytes.
LOCK_BYTE, LOCK_BYTES = 0x40000000, 512


class InUse(Exception):
    """A process runs on the database, or has it open. The message says which, and what to do."""


@contextmanager
def no_service(path: Path) -> Iterator[None]:
    """Keep every process out of the database, and `standing up` from starting. Raises InUse while a service runs."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _no_up(), _nobody_on(path):
        yield


@contextmanager
def _no_up() -> Iterator[None]:
    lock = config.up_lock(config.settings().var_dir)
    if not lock.exists():
        yield
        return
    with lock.open("a") as file:
        if not file_locks.locked(file):
            raise InUse("`standing up` runs on this data: end it first, and start it again afterwards")
        yield


@contextmanager
def _nobody_on(path: Path) -> Iterator[None]:
    """Hold the database exclusively, with its log folded in. Raises InUse if any process has it open, even idle.

    A process that opens it now waits for the lock. When the lock is released, the file has another name and no write-ahead logging.
    SQLite refuses to switch that on in a file that was moved, so the waiting process cannot write into the wrong file."""
    if not path.exists():
        yield
        return
    with closing(connect(path, mode="rw", timeout=PATIENCE_SECONDS)) as connection:
        try:
            # Needs to be the only connection, which a mere BEGIN EXCLUSIVE does not beside write-ahead logging.
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("BEGIN EXCLUSIVE")
            folded = connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise _in_use(path) from error
            # Too damaged for SQLite to say. Nor can a process open it now that has not opened it before.
            connection.close()
            folded = not _is_locked(path)
        if not folded:
            raise _in_use(path)
        yield


def _is_locked(path: Path) -> bool:
    """Return whether a process holds SQLite's lock on a file. With write-ahead logging it does as long as it has the file open."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES, LOCK_BYTE)
        except (BlockingIOError, PermissionError):
            return True
    return False


def _in_use(path: Path) -> InUse:
    return InUse(f"a process has {path} open: end the service (web and workers) first, and start it again afterwards")


def connect(file: Path, *, mode: str, timeout: float = 10.0) -> sqlite3.Connection:
    """Return a connection to an existing file: `ro` changes nothing, `rw` may."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None)
