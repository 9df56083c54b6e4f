"""What journeys of starting share: one service on each database, and vendors that know nothing at the beginning of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver.simulator.played.records import Played
from receiver.simulator.vendor_server import Vendors
from tests.conftest import empty_database, next_part
from tests.support.service import Service
from tests.support.vendors.starts import starting


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running_with_vendors(
    request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Vendors]]:
    folder = tmp_path_factory.mktemp("starting")
    with empty_database(request, folder) as url, starting(folder, url, f"{valkey_url}?db={next_part()}", results=True) as running:
        yield running


@pytest.fixture
def both(running_with_vendors: tuple[Service, Vendors]) -> tuple[Service, Vendors]:
    service, vendors = running_with_vendors
    for name, vendor in vendors.vendors.items():
        vendors.played[name] = Played(requires=vendor.requires, resolution=vendor.resolution)
    return service, vendors


@pytest.fixture
def faults(running_with_vendors: tuple[Service, Vendors]) -> Path:
    """The folder that arms fault points."""
    return running_with_vendors[0].folder / "faults"
