"""Latencies: how long vendors wait for their answers, and events until they are visible."""

from __future__ import annotations

import time

from flask import Response, request
from prometheus_client import Histogram
from prometheus_client.core import HistogramMetricFamily

from receiver import config
from receiver.connections import limits
from receiver.vendors import VENDORS
from store import database
from store.inbox import times_to_visible
from store.text.states import VendorEnvironment

#: Upper bounds of the buckets, in seconds. An answer usually takes some milliseconds; 2 s is the longest that is promised.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

ACKNOWLEDGEMENT = Histogram(
    "standing_acknowledgement_seconds", "From a delivery's first byte to the end of its answer.", ["vendor", "status"], buckets=BOUNDS
)

#: The histogram of each vendor and first digit of the answer's status.
_observed: dict[tuple[str, int], Histogram] = {}


def begin() -> None:
    """Count from zero, which needs no more space later, when the disk may be full."""
    for vendor in VENDORS:
        for digit in (2, 4, 5):
            _observed[vendor, digit] = ACKNOWLEDGEMENT.labels(vendor, f"{digit}xx")


def measure_answer(response: Response) -> Response:
    """Measure the request until the server has sent its answer."""
    began_at = limits.request_began_at(request.environ)
    observed = _observed.get(((request.view_args or {}).get("vendor", ""), response.status_code // 100))
    if began_at is not None and observed is not None:
        response.call_on_close(lambda: observed.observe(time.monotonic() - began_at))
    return response


def times_to_visible_family() -> HistogramMetricFamily:
    """Return the times to visible of all workers, of each configured vendor and environment."""
    says = "From an event's receipt to the commit that made its outcome visible."
    family = HistogramMetricFamily("standing_time_to_visible_seconds", says, labels=["vendor", "environment"])
    found = database.read(times_to_visible.histograms)
    for vendor in config.settings().senders:
        for environment in VendorEnvironment:
            one = found.get((vendor, environment), times_to_visible.EMPTY)
            family.add_metric([vendor, environment], one.buckets, one.seconds)
    return family
