"""Vendors that answer as a test says, and vendors that are played."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handlers.start import steps
from receiver.simulator.vendor_server import Vendors
from tests.conftest import forget
from tests.support.downstream import Downstream
from tests.support.vendors.played import playing
from tests.support.vendors.vendor_calls import CREDENTIALS


@pytest.fixture
def server() -> Iterator[Downstream]:
    with Downstream() as running:
        yield running


@pytest.fixture
def vendors(kept: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    """The played vendors, whose APIs this process may call."""
    for api in (steps.ifcgate, steps.idngo, steps.idenfy):
        api.cache_clear()
    with playing(CREDENTIALS) as played:
        for name, value in (played.settings() | CREDENTIALS).items():
            monkeypatch.setenv(name, value)
        forget()
        yield played
