"""Faults of PostgreSQL: away, full, read-only, or angry about one statement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import make_url

from tests.faults.fault import Amid, Fault, once, spooled
from tests.faults.ground import Ground, NotInflicted, until
from tests.support import servers
from tests.support.outages import patroni

SECONDS = 10.0

WAITING = "datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def killed(amid: Amid) -> Iterator[None]:
    amid.ground.server.stop()
    try:
        yield
    finally:
        amid.ground.server.start()


@contextmanager
def out_of_connections(amid: Amid) -> Iterator[None]:
    """Every connection there is, those of the service too."""
    with servers.all_connections_taken(_url(amid.ground, "postgres")):
        yield


@contextmanager
def read_only(amid: Amid) -> Iterator[None]:
    name = amid.ground.database
    with _session(amid.ground, "postgres") as session:
        session.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        _send_away(session, name)
        try:
            yield
        finally:
            session.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            _send_away(session, name)


@contextmanager
def fails_over(amid: Amid) -> Iterator[None]:
    """The primary is cut off and runs on alone, and Patroni promotes the synchronous standby."""
    former, _ = amid.beside.cut_off_the_primary()
    try:
        yield
    finally:
        former.heal()


#: What administrators set for a database, and our sessions must not inherit.
INHERITED = (
    "datestyle = 'SQL, MDY'", "default_transaction_isolation = 'serializable'", "statement_timeout = '20ms'", "lock_timeout = '5ms'",
    "search_path = 'nowhere'", "synchronous_commit = off", "timezone = 'Asia/Kathmandu'", "bytea_output = 'escape'",
    "standard_conforming_strings = off",
)  # fmt: skip


@contextmanager
def inherited_settings(amid: Amid) -> Iterator[None]:
    """The database sets for every session what nobody expects; the service's sessions begin anew under it."""
    name = amid.ground.database
    with _session(amid.ground, "postgres") as session:
        for setting in INHERITED:
            session.execute(f"ALTER DATABASE {name} SET {setting}".encode())
        _send_away(session, name)
        try:
            yield
        finally:
            session.execute(f"ALTER DATABASE {name} RESET ALL")
            _send_away(session, name)


@contextmanager
def newer_tables(amid: Amid) -> Iterator[None]:
    """The tables are of a revision that needs newer code, as after a rollback of the code alone."""
    with _session(amid.ground) as session:
        session.execute("INSERT INTO bearing VALUES ('9999', '9999')")
        revision = session.execute("SELECT version_num FROM alembic_version").fetchone()
        session.execute("UPDATE alembic_version SET version_num = '9999'")
        try:
            yield
        finally:
            session.execute("UPDATE alembic_version SET version_num = %s", revision)
            session.execute("DELETE FROM bearing WHERE revision = '9999'")


def _send_away(session: psycopg.Connection, database: str) -> None:
    session.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])


def cancel(table: str) -> Callable[[Amid], None]:
    """A deed that cancels a statement which writes to this table: it is held up for a moment, so that it can be met."""

    def strike(amid: Amid) -> None:
        with _session(amid.ground) as watcher, _session(amid.ground) as holder, holder.transaction():
            holder.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            met = until(
                lambda: watcher.execute(f"SELECT pid FROM pg_stat_activity WHERE {WAITING} LIMIT 1").fetchone(),
                f"a statement that writes to {table}",
                seconds=10,
            )
            watcher.execute("SELECT pg_cancel_backend(%s)", met)
            time.sleep(0.1)

    return strike


def deadlock(amid: Amid) -> None:
    """Hold applicants that come late in the worker's order until it waits for one, then ask for one that it holds.

    Our session waits patiently, so that it is the worker's transaction that PostgreSQL ends."""
    until(lambda: _deadlocked(amid.ground), "a deadlock", seconds=20)


def _deadlocked(ground: Ground) -> bool:
    with _session(ground) as watcher, _session(ground) as holder:
        before = _deadlocks(watcher)
        holder.execute("SET deadlock_timeout = '100s'")
        with holder.transaction():
            holder.execute("SELECT 1 FROM applicants WHERE vendor <> 'idenfy' FOR UPDATE")
            waiting = f"SELECT pid FROM pg_stat_activity WHERE {WAITING} AND query ILIKE '%%applicants%%'"
            until(lambda: watcher.execute(waiting).fetchone(), "a worker that waits for an applicant", seconds=10)
            every = "SELECT vendor, environment, reference FROM applicants WHERE vendor = 'idenfy'"
            known, free = set(watcher.execute(every)), set(watcher.execute(f"{every} FOR UPDATE SKIP LOCKED"))
            held = known - free
            if not held:
                return False  # The worker waits for its first.
            holder.execute("SELECT 1 FROM applicants WHERE (vendor, environment, reference) = (%s, %s, %s) FOR UPDATE", min(held))
        return bool(until(lambda: _deadlocks(watcher) > before, "PostgreSQL to count it", seconds=5))


def _deadlocks(session: psycopg.Connection) -> int:
    session.execute("SELECT pg_stat_clear_snapshot()")
    row = session.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row
    return int(row[0])


@contextmanager
def _session(ground: Ground, database: str | None = None) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(_url(ground, database or ground.database), autocommit=True) as session:
            yield session
    except psycopg.OperationalError as error:
        raise NotInflicted(f"PostgreSQL did not let the harness in: {error}") from error


def _url(ground: Ground, database: str) -> str:
    return make_url(ground.server.url).set(database=database).render_as_string(hide_password=False)


FAULTS = (
    Fault(name="inherited-session-settings", description="the database's own session settings", deed=inherited_settings, seconds=SECONDS),
    Fault(name="newer-tables", description="tables newer than the code", deed=newer_tables, seconds=SECONDS),
    Fault(name="postgres-killed", description="PostgreSQL killed (immediate shutdown)", deed=killed, seconds=5),
    Fault(name="postgres-restarted", description="PostgreSQL restarted (fast)", deed=once(lambda amid: amid.ground.server.restart())),
    Fault(
        name="postgres-fails-over",
        description="PostgreSQL's primary cut off, its standby promoted by Patroni",
        deed=spooled(fails_over),
        seconds=2,
        spooling=True,
        beside=patroni.pair,
    ),
    Fault(name="postgres-out-of-connections", description="PostgreSQL out of connections", deed=out_of_connections, seconds=SECONDS),
    Fault(name="postgres-read-only", description="PostgreSQL read-only", deed=read_only, seconds=SECONDS),
    Fault(name="insert-cancelled", description="one INSERT of an event cancelled", deed=once(cancel("events"))),
    Fault(name="write-cancelled", description="one statement of the worker cancelled", deed=once(cancel("applicants"))),
    Fault(name="deadlock", description="one deadlock, the worker its victim", deed=once(deadlock)),
)
