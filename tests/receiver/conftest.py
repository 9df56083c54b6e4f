"""One service on each database for all that is tested here: the tests use applicants of their own, and do not disturb one another."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import KEY
from tests.service import Service

#: Small, so that a body over the limit is soon sent.
BODY_BYTES_MAX = 4000


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A web process and a worker that really run."""
    folder = tmp_path_factory.mktemp("running")
    with empty_database(request, folder) as url:
        settings = {"DATABASE_URL": url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "MAX_BODY_BYTES": str(BODY_BYTES_MAX)}
        with Service(folder, settings) as service:
            yield service


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        path = folder / "standing.sqlite3"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("no PostgreSQL")
    with server.database() as url:
        yield url
