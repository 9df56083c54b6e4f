"""The tables, and processes that bring them up to date together."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from store.database import migrations
from store.database.engine import engine
from store.database.log_tables import Leaf
from store.database.migrations import upgrade
from store.database.operations_tables import Act
from store.database.tables import EventRow
from tests.conftest import KEY
from tests.support.servers import Postgres

AT = "2026-05-04 09:30:00+00:00"

START = "from store import database; database.begin().__enter__()"


def test_the_migrations_make_what_the_models_say(kept: str) -> None:
    with engine().connect() as connection:
        [metadata] = {EventRow.metadata, Act.metadata, Leaf.metadata}
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_the_names_of_the_files_say_which_revisions_there_are() -> None:
    scripts = ScriptDirectory.from_config(migrations._configuration())
    assert migrations.known() == {script.revision for script in scripts.walk_revisions()}
    assert migrations.head() == scripts.get_current_head()


def test_a_process_whose_tables_are_up_to_date_loads_no_alembic(kept: str) -> None:
    said = "import sys; sys.exit(any(name.startswith(('alembic', 'store.database.migrations.versions.')) for name in sys.modules))"
    process = subprocess.run([sys.executable, "-c", f"{START}; {said}"], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr


def test_upgrading_twice_does_nothing_the_second_time(kept: str) -> None:
    assert upgrade(engine()) is False


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_six_processes_that_start_together_migrate_once(kind: str, tmp_path: Path, postgres: Postgres | None) -> None:
    if kind == "sqlite":
        _start_six(f"sqlite:///{tmp_path / 'fresh.sqlite3'}", tmp_path)
    elif postgres is None:
        pytest.skip("no PostgreSQL")
    else:
        with postgres.empty_database() as url:
            _start_six(url, tmp_path)


def _start_six(url: str, folder: Path) -> None:
    environment = {"DATABASE_URL": url, "ENCRYPTION_KEYS": KEY, "VAR_DIR": str(folder)}
    started = [subprocess.Popen([sys.executable, "-c", START], env=environment, stderr=subprocess.PIPE) for _ in range(6)]
    failures = [error for process in started if (error := process.communicate(timeout=240)[1]) and process.returncode]
    assert failures == []
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM feed")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_was_pending_before_an_upgrade_is_pending_after_it_and_held_by_nobody(
    kind: str, tmp_path: Path, postgres: Postgres | None
) -> None:
    if kind == "sqlite":
        _upgrade_with_events(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    elif postgres is None:
        pytest.skip("no PostgreSQL")
    else:
        with postgres.empty_database() as url:
            _upgrade_with_events(url)


def _upgrade_with_events(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        configuration = migrations._configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        for number, attempts in ((1, 0), (2, 3)):
            connection.execute(
                text(
                    "INSERT INTO events (sequence, id, vendor, environment, identity, body_sha256, headers, key_id, sealed_body,"
                    " received_at, repeat, deliveries, status, attempts, due_at, claimed_by, claimed_until, suspect, replayed)"
                    " VALUES (:n, :id, 'idngo', 'live', :bytes, :bytes, '{}', 'key', :bytes, :at, false, 1, 'pending', :attempts, :at,"
                    " 'somebody', :at, false, false)"
                ),
                {"n": number, "id": uuid.UUID(int=number).hex, "bytes": bytes([number]), "at": AT, "attempts": attempts},
            )
    assert upgrade(engine)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT retry_at IS NULL, claimed_by IS NULL FROM events ORDER BY sequence")).all()
    assert [tuple(map(bool, row)) for row in rows] == [(True, True), (False, True)]
    engine.dispose()
