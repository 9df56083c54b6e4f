from __future__ import annotations

from collections.abc import Iterator

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.support.vendors.played import playing
from tests.support.vendors.vendor_calls import CREDENTIALS


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    with playing(CREDENTIALS) as played:
        yield played
