"""What SQLite's files still hold of what was deleted, and how they let go of it. In PostgreSQL the vacuum does so."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import structlog

from store import database
from store.database.engine import engine
from store.system.logs import describe_error

log = structlog.get_logger()

#: `user_version` of a file that was rewritten since deleted content is overwritten with zeros (`secure_delete`).
CLEARED = 1

#: Free room, in sizes of the file: one copy, and as much again for what is kept meanwhile.
ROOM = 2

#: For so long it is tried to get the writers' lock, and to cut the log, which a reader may need.
LOCK_SECONDS, LOG_SECONDS, AGAIN_SECONDS = 5.0, 3.0, 0.1


def clear_once() -> bool:
    """Rewrite a file that is older than `secure_delete`, once; return whether that was done now. Writers wait for it."""
    if not database.is_sqlite() or _pragma("user_version")[0] >= CLEARED:
        return False
    if not _has_room():
        log.warning("the database is not rewritten: its disk, or that of the temporary folder, has too little room")
        return False
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            _pragma(f"user_version = {CLEARED}", first="VACUUM")
            break
        except sqlite3.OperationalError as error:
            if time.monotonic() > deadline:
                log.warning("the database is not rewritten yet", error=describe_error(error))
                return False
            time.sleep(AGAIN_SECONDS / 10)
    truncate_log()
    log.info("the database is rewritten, without what was deleted")
    return True


def _has_room() -> bool:
    """Return whether the disks can hold what rewriting takes: a copy in the temporary folder, and one in the log."""
    file = Path(str(engine().url.database))
    folders = (file.parent, Path(tempfile.gettempdir()))
    return all(shutil.disk_usage(folder).free > ROOM * file.stat().st_size for folder in folders)


def truncate_log() -> bool:
    """Move the log into the file and cut it; return whether no reader was in the way for too long. On PostgreSQL there is nothing to do."""
    if not database.is_sqlite():
        return True
    deadline = time.monotonic() + LOG_SECONDS
    while _pragma("wal_checkpoint(TRUNCATE)")[0]:
        if time.monotonic() > deadline:
            log.info("the database's log is still read; it is cut later")
            return False
        time.sleep(AGAIN_SECONDS)
    return True


def _pragma(text: str, *, first: str | None = None) -> tuple[int, ...]:
    """Return what a pragma answers, outside a transaction."""
    connection = engine().raw_connection()
    try:
        cursor = connection.cursor()
        if first:
            cursor.execute(first)
        row = cursor.execute(f"PRAGMA {text}").fetchone()
        return tuple(row or ())
    finally:
        connection.close()
