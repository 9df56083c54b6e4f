"""What tests of the console share: a browser and pages of it, and a console at which a night was spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import KEY, next_part
from tests.support.browser import consoles
from tests.support.browser.consoles import NIGHT, OFFICER, Console, Night
from tests.support.browser.fixtures import browser, pages
from tests.support.browser.visitor import Visitor
from tests.support.downstream import Downstream, Reply
from tests.support.service import Service

__all__ = ["browser", "console", "night", "pages"]


@pytest.fixture(scope="session")
def console(migrated_sqlite: Path, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console and its service, for tests that act on applicants and sessions of their own."""
    with beside_a_service(tmp_path_factory.mktemp("console"), migrated_sqlite, valkey_url) as running:
        yield running


@contextmanager
def beside_a_service(folder: Path, migrated_sqlite: Path, valkey_url: str) -> Iterator[Console]:
    """A console with a service that knows no applicant, and notifies a downstream that takes nothing."""
    file = folder / "standing.sqlite3"
    file.write_bytes(migrated_sqlite.read_bytes())
    with Downstream(lambda _: Reply(422)) as downstream:
        queue = f"{valkey_url}?db={next_part()}"
        settings = {"database_url": f"sqlite:///{file}", "redis_url": queue, "keys": KEY, "downstream": downstream.url()}
        with consoles.of(folder, **settings) as running:
            yield running


@pytest.fixture(scope="module")
def port(running: Service) -> Iterator[int]:
    """The port of a console beside the service."""
    with consoles.beside(running) as port:
        yield port


@pytest.fixture(scope="module")
def operator(port: int) -> Visitor:
    return Visitor(port, NIGHT)


@pytest.fixture(scope="module")
def officer(port: int) -> Visitor:
    return Visitor(port, OFFICER)


@pytest.fixture(scope="session")
def night(console: Console) -> Night:
    """What happened at the console before the tests."""
    return consoles.spend_a_night(console)
