"""Databases that are there, and take no write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg


@contextmanager
def unwritable(url: str) -> Iterator[None]:
    """SQLite, while another transaction has its lock; PostgreSQL, while it is read-only."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
    else:
        _set_read_only(url, "on")
        yield
        _set_read_only(url, "off")


def _set_read_only(url: str, mode: str) -> None:
    """Connections keep the mode with which they began, so that all others are ended."""
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {mode}".encode())
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
