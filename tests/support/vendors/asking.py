"""A service that asks the played vendors for the current status of applicants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from receiver.simulator.vendor_server import Vendors
from store.system import clock
from tests.conftest import KEY
from tests.support.payloads import BEGAN
from tests.support.service import Service
from tests.support.vendors import played

CREDENTIALS = {
    "IFCGATE_API_KEY": "ifcg_test_key",
    "IDNGO_APP_TOKEN": "sbx:token",
    "IDNGO_APP_SECRET": "the secret of the token",
    "IDENFY_API_KEY": "key",
    "IDENFY_API_SECRET": "the secret of the key",
    "IDENFY_READS_PER_MINUTE": "600",
}

#: When the vendor's own review was, of what a webhook told at `BEGAN`, and of what no webhook told.
BEFORE, LATER = (clock.rfc3339(BEGAN.replace(microsecond=0) + timedelta(seconds=seconds)) for seconds in (-1, 3600))


@contextmanager
def service(vendors: Vendors, database_url: str, redis_url: str, folder: Path, **further: str) -> Iterator[Service]:
    """It has the vendors' credentials. The vendors know no applicant of an earlier test."""
    for vendor in vendors.played.values():
        vendor.table.clear()
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "WEB_CONCURRENCY": "1"}
    with Service(folder, settings | CREDENTIALS | vendors.settings() | further) as running:
        yield running


def play(vendors: Vendors, where: str, **told: Any) -> None:
    """Have a vendor say this of an applicant, such as `idngo/<reference>`."""
    played.play(vendors, where, told)
