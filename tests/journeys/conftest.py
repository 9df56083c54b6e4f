"""What journeys share: a service whose processes a test breaks between two steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KEY, empty_database, next_part
from tests.support.service import Service, eventually


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def faults_and_service(
    request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Service]]:
    """The folder that arms fault points, and a service that reaches them."""
    folder = tmp_path_factory.mktemp("broken")
    (faults := folder / "faults").mkdir()
    with empty_database(request, folder) as url:
        queue = f"{valkey_url}?db={next_part()}"
        settings = {"DATABASE_URL": url, "REDIS_URL": queue, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults)}
        with Service(folder, settings) as service:
            eventually(lambda: service.get("/readyz").json["workers"], "the worker to be up")
            yield faults, service
