"""The history of the tables. `upgrade` brings them up to date; processes that start together do it once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

#: Any number that nothing else on this database locks: "STANDING" in ASCII, as a signed 64-bit integer.
MIGRATION_LOCK = int.from_bytes(b"STANDING")


def upgrade(engine: Engine) -> bool:
    """Bring the tables up to date; return whether there was anything to do."""
    with engine.connect().execution_options(reads_only=True) as connection:
        if revision(connection) == head():
            return False
    # On SQLite the transaction itself is the lock: it begins with BEGIN IMMEDIATE.
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        if revision(connection) == head():
            return False
        configuration = _configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "head")
    return True


def revision(connection: Connection) -> str | None:
    """The revision of this database's tables."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_configuration()).get_current_head()


def known() -> set[str]:
    """Every revision that this code can bring up to date."""
    return {script.revision for script in ScriptDirectory.from_config(_configuration()).walk_revisions()}


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    return configuration
