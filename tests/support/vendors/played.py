"""The vendors that `standing simulate --vendors` plays, within a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

from receiver.simulator.played.webhooks import Target
from receiver.simulator.vendor_server import Vendors


@contextmanager
def playing(credentials: Mapping[str, str], target: Target | None = None) -> Iterator[Vendors]:
    """They answer to whom these credentials belong, and send their results to the target."""
    with Vendors(port=0, credentials=credentials, target=target) as vendors:
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


def seen(vendors: Vendors, vendor: str) -> dict[str, Any]:
    """What was bought, sent and asked at a played vendor: `GET /play/<vendor>`."""
    with urlopen(f"{vendors.url}/play/{vendor}") as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def visit(vendors: Vendors, where: str) -> str:
    """Play a person who goes through a vendor's pages, such as `idenfy/<scanRef>`; return the vendor's reference."""
    with urlopen(Request(f"{vendors.url}/play/{where}/visit", method="POST")) as answer:
        found: str = json.loads(answer.read())["reference"]
        return found
