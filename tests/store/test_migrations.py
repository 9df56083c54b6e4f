"""The tables, and processes that bring them up to date together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from store import database
from store.migrations import upgrade
from store.models import Base
from tests.conftest import KEY
from tests.servers import Postgres

START = "from store import database; database.begin().__enter__()"


def test_the_migrations_make_what_the_models_say(kept: str) -> None:
    with database.engine().connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_upgrading_twice_does_nothing_the_second_time(kept: str) -> None:
    assert upgrade(database.engine()) is False


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
    failures = [error for process in started if (error := process.communicate(timeout=60)[1]) and process.returncode]
    assert failures == []
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM feed")).scalar_one() == 1
    engine.dispose()
