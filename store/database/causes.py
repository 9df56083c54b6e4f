"""Causes: why the database failed, in words that quote nothing of what was read or written."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from store.database.sessions import Unfit

#: SQLite's primary result codes (https://www.sqlite.org/rescode.html).
SQLITE = {
    sqlite3.SQLITE_FULL: "disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_BUSY: "another program holds it",
    sqlite3.SQLITE_LOCKED: "another program holds it",
    sqlite3.SQLITE_IOERR: "its disk fails",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is no SQLite database",
    sqlite3.SQLITE_PERM: "its file may not be used",
}

#: PostgreSQL's SQLSTATEs, and the classes of those that are not named (Appendix A of its manual).
POSTGRESQL = {
    "53100": "disk is full",
    "53200": "it is out of memory",
    "53300": "it is out of connections",
    "25006": "it is read-only",
    "42501": "the role may not do this",
    "3D000": "there is no such database",
    "28P01": "the password is refused",
    "28000": "the role is refused",
    "57P01": "it is shutting down",
    "57P02": "it crashed",
    "57P03": "it is starting",
    "57014": "a statement took too long",
    "40001": "transactions collided",
    "40P01": "transactions waited for each other",
    "08": "the connection broke",
    "58": "its disk fails",
    "XX": "its files are damaged",
}


def cause(error: BaseException) -> str:
    """Return why the database failed, in words for an operator; the exception's type where the reason is not known."""
    if isinstance(error, Unfit):
        return str(error)
    if isinstance(error, PoolExhausted):
        return "all connections of this process are in use"
    if not isinstance(error, DBAPIError):
        return type(error).__name__
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return SQLITE.get(code & 0xFF, getattr(error.orig, "sqlite_errorname", "SQLite failed"))
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return "it cannot be reached"
    return POSTGRESQL.get(state) or POSTGRESQL.get(state[:2]) or f"SQLSTATE {state}"
