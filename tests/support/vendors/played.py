"""The vendors that `standing simulate --vendors` plays, within a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from receiver.simulator.vendor_server import Vendors


@contextmanager
def playing(credentials: Mapping[str, str]) -> Iterator[Vendors]:
    """They answer to whom these credentials belong."""
    with Vendors(port=0, credentials=credentials) as vendors:
        threading.Thread(target=vendors.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield vendors
        finally:
            vendors.shutdown()


def play(vendors: Vendors, where: str, told: dict[str, Any] | None) -> None:
    """Tell a played vendor something over HTTP, as anybody can; None: it knows no such applicant any more."""
    method = "DELETE" if told is None else "PUT"
    with urlopen(Request(f"{vendors.url}/play/{where}", json.dumps(told).encode(), method=method)) as answer:
        assert answer.status == 200
