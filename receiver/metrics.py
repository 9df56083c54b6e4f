"""GET /metrics: what Prometheus reads. Requests are counted across the web processes; the rest is asked of the database."""

from __future__ import annotations

import os
from collections.abc import Iterable

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from receiver import access, config
from receiver.calls import ANSWER_SECONDS
from receiver.vendors import VENDORS
from store import doorbell, health, inbox
from store.deadline import Crew

DELIVERIES = Counter("standing_deliveries", "Deliveries by what was answered.", ["vendor", "answer"])

ANSWERS = ("accepted", "duplicate", "spooled", "forged", "stale", "unavailable")

_askers = Crew("metrics", 2)

blueprint = Blueprint("metrics", __name__)


def begin() -> None:
    """Count from zero: what is there from the start needs no more room later, when the disk may be full."""
    for vendor in VENDORS:
        for answer in ANSWERS:
            DELIVERIES.labels(vendor, answer)


class Kept(Collector):
    """What the database and the queue say."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        backlog = health.backlog()
        yield GaugeMetricFamily("standing_events_pending", "Events kept and not yet handled.", backlog.pending)
        yield GaugeMetricFamily("standing_oldest_pending_age_seconds", "How long the oldest due event waits.", backlog.oldest_seconds)
        yield GaugeMetricFamily("standing_events_failed", "Dead letters.", health.failed())
        yield GaugeMetricFamily("standing_workers", "Workers that live.", health.workers())
        if spool := inbox.spool():
            yield GaugeMetricFamily("standing_spool_bytes", "What waits on this host for the database to be back.", spool.bytes_spooled())
        yield GaugeMetricFamily("standing_queue_up", "Whether the queue can be reached.", doorbell.hears())


@blueprint.get("/metrics")
def metrics() -> Response:
    """The metrics in Prometheus' text format."""
    access.require_one_of(config.settings().metrics_tokens)
    registry = CollectorRegistry()
    registry.register(Kept())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        counted = b""
    else:
        counted = generate_latest(REGISTRY)
    asked = _askers.within(ANSWER_SECONDS, lambda: generate_latest(registry))
    return Response(asked + counted, content_type=CONTENT_TYPE_LATEST)
