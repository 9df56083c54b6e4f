"""Migrations: `upgrade` brings the tables up to date. Processes that start together do it once.

Alembic and the migrations are loaded where there is something to do: they take 10 MiB and a fifth of a second. Every process asks
which revision the tables are of, and the names of the migrations' files say which there are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from store.database.sessions import Unfit
from store.database.transactions import take_lock

if TYPE_CHECKING:
    from alembic.config import Config

#: The migrations. The name of a file begins with its revision.
VERSIONS = Path(__file__).parent / "versions"

#: The lock of a process that upgrades the tables.
MIGRATION_LOCK = b"STANDING"

#: PostgreSQL's code for a right that is missing.
INSUFFICIENT_PRIVILEGE = "42501"

#: So long a process waits for another one to bring the tables up to date.
PATIENCE_SECONDS = 60.0


def upgrade(engine: Engine) -> bool:
    """Bring the tables up to date; return whether there was anything to do. Raises Unfit if this code cannot use them."""
    try:
        return _upgrade(engine)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != INSUFFICIENT_PRIVILEGE:
            raise
        who = f"the role {engine.url.username}" if engine.url.username else "this role"
        raise Unfit(f"{who} may not create or use the tables: grant it CREATE on the schema, and have it own the tables") from error


def _upgrade(engine: Engine) -> bool:
    with engine.connect().execution_options(reads_only=True) as connection:
        if _bears(connection):
            return False
    # On SQLite the transaction itself is the lock: it begins with BEGIN IMMEDIATE.
    with engine.execution_options(patience_seconds=PATIENCE_SECONDS).begin() as connection:
        take_lock(connection, MIGRATION_LOCK)
        if _bears(connection):
            return False
        _upgrade_to_head(connection)
        _record_bearing(connection)
    return True


def _upgrade_to_head(connection: Connection) -> None:
    from alembic import command

    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _bears(connection: Connection) -> bool:
    """Return whether the tables can be used as they are; if not, they can be upgraded. Raises Unfit if neither."""
    found = _revision_or_unfit(connection)
    if found is None:
        _refuse_others(connection)
        return False
    if not _has(connection, "events"):
        raise Unfit(f"alembic_version names revision {found}, and Standing's tables are not there: give Standing a database of its own")
    if found == _head():
        return True
    if found in _known():
        return False
    _refuse_newer(connection, found)
    return True


def _refuse_newer(connection: Connection, found: str) -> None:
    """Refuse an unknown revision, unless it recorded that this code may use it."""
    query = text("SELECT oldest FROM bearing WHERE revision = :revision")
    oldest = connection.execute(query, {"revision": found}).scalar() if _has(connection, "bearing") else None
    if oldest is None:
        raise Unfit(f"the tables are of revision {found}, which this code (revision {_head()}) does not know")
    if oldest not in _known():
        raise Unfit(f"the tables are of revision {found}, which needs code of revision {oldest} or later; this code is of {_head()}")


def _refuse_others(connection: Connection) -> None:
    """Refuse to create tables beside those that Standing has in another schema."""
    if connection.dialect.name != "postgresql":
        return
    query = "SELECT table_schema FROM information_schema.tables WHERE table_name IN ('transitions', 'applicants', 'subjects')"
    elsewhere = connection.execute(text(f"{query} GROUP BY 1 HAVING count(*) = 3")).scalars().first()
    if elsewhere:
        raise Unfit(f"Standing's tables are in the schema {elsewhere}: add ?options=-csearch_path%3D{elsewhere} to DATABASE_URL")


def _revision_or_unfit(connection: Connection) -> str | None:
    try:
        return revision(connection)
    except (ProgrammingError, OperationalError) as error:
        if not _is_foreign(error):
            raise
        raise Unfit(f"alembic_version is not Standing's ({type(error).__name__}): give Standing a database of its own") from error


def _is_foreign(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "42703" or "no such column" in str(error.orig)


def _has(connection: Connection, table: str) -> bool:
    return inspect(connection).has_table(table)


def _record_bearing(connection: Connection) -> None:
    """Record with each revision the oldest code that may use it: what its migration names in `bears`, else its own."""
    from alembic.script import ScriptDirectory

    connection.execute(text("DELETE FROM bearing"))
    for script in ScriptDirectory.from_config(_configuration()).walk_revisions():
        row = {"revision": script.revision, "oldest": getattr(script.module, "bears", script.revision)}
        connection.execute(text("INSERT INTO bearing (revision, oldest) VALUES (:revision, :oldest)"), row)


@cache
def _head() -> str | None:
    return head()


@cache
def _known() -> frozenset[str]:
    return frozenset(known())


def revision(connection: Connection) -> str | None:
    """Return the revision of this database's tables; None if there are none. Raises Unfit if it names several."""
    if not _has(connection, "alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) > 1:
        raise Unfit("alembic_version names several revisions, so it is not Standing's: give Standing a database of its own")
    return str(found[0]) if found else None


def head() -> str | None:
    """Return the revision that this code needs."""
    return max(known(), default=None)


def known() -> set[str]:
    """Return every revision that this code can upgrade."""
    return {file.name.partition("_")[0] for file in VERSIONS.glob("[0-9]*_*.py")}


def _configuration() -> Config:
    from alembic.config import Config

    configuration = Config()
    # A % begins a reference in such a file.
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return configuration
