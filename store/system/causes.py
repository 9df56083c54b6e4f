"""Causes: the reason for a failure in fixed words, from its standard code. A message is never quoted: it may hold data."""

from __future__ import annotations

import errno
import os
import re
import sqlite3

#: SQLite's own words for its primary result codes (https://www.sqlite.org/rescode.html).
SQLITE = {
    sqlite3.SQLITE_PERM: "access permission denied",
    sqlite3.SQLITE_BUSY: "database is locked",
    sqlite3.SQLITE_LOCKED: "database table is locked",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "attempt to write a readonly database",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
    sqlite3.SQLITE_IOERR: "disk I/O error",
    sqlite3.SQLITE_CORRUPT: "database disk image is malformed",
    sqlite3.SQLITE_FULL: "database or disk is full",
    sqlite3.SQLITE_CANTOPEN: "unable to open database file",
    sqlite3.SQLITE_SCHEMA: "database schema has changed",
    sqlite3.SQLITE_TOOBIG: "string or blob too big",
    sqlite3.SQLITE_CONSTRAINT: "constraint failed",
    sqlite3.SQLITE_NOTADB: "file is not a database",
}

#: What libpq and Valkey say without a code: a part of their text, and our words for it.
PHRASES = {
    "session is read-only": "no host that answers is a primary",
    "in hot standby mode": "no host that answers is a primary",
    "root certificate file": "there is no file of the CA that sslrootcert names",
    "private key file": "the file that sslkey names may be read by others",
    "does not match host name": "the server's certificate is for another host",
    "certificate verify failed": "no CA that is known here has signed the server's certificate",
    "does not support ssl": "the server offers no TLS",
    "connection refused": "connection refused",
    "no such file or directory": "no such socket",
    "timeout": "timeout",
    "timed out": "timeout",
    "password authentication failed": "password authentication failed",
    "no password supplied": "no password given",
    "no pg_hba.conf entry": "refused by pg_hba.conf",
    "could not translate host name": "unknown host name",
    "failed to resolve host": "unknown host name",
    "name or service not known": "unknown host name",
    "too many clients": "too many connections",
    "too many connections": "too many connections",
    "connection slots are reserved": "too many connections",
    "is starting up": "the server is starting up",
    "is shutting down": "the server is shutting down",
    "in recovery mode": "the server is in recovery",
    "server closed the connection": "the server closed the connection",
    "connection closed by server": "the server closed the connection",
    "connection reset": "connection reset",
    "certificate": "the certificate is not accepted",
    "does not exist": "the database or the role does not exist",
    "maxmemory": "out of memory",
    "misconf": "the server cannot write its disk",
}

#: Libraries whose texts are searched for a phrase.
_SERVERS = ("psycopg", "redis")


def of(error: BaseException) -> str | None:
    """Return the cause that one exception names; None if it names none that is known."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return SQLITE.get(code & 0xFF) if code is not None else None
    if sqlstate := _sqlstate(error):
        return sqlstate
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return _phrase(error) if type(error).__module__.partition(".")[0] in _SERVERS else None


def _sqlstate(error: BaseException) -> str | None:
    """Return PostgreSQL's code and its standard name, which psycopg's class has: `53100 disk_full`."""
    code = getattr(error, "sqlstate", None)
    if not isinstance(code, str) or not re.fullmatch(r"[0-9A-Z]{5}", code):
        return None
    return f"{code} {re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', type(error).__name__).lower()}"


def _phrase(error: BaseException) -> str | None:
    text = str(error).lower()
    return next((ours for part, ours in PHRASES.items() if part in text), None)
