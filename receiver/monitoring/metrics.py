"""GET /metrics: the metrics for Prometheus. Requests are counted across the web processes; the rest comes from the database."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from datetime import datetime

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from receiver import config
from receiver.monitoring import change_counts, latencies, secret_usage
from receiver.monitoring import health as readiness
from receiver.monitoring.findings import service
from receiver.vendors import VENDORS
from receiver.web.auth import Right
from receiver.web.call import Text, call
from receiver.web.queries import ANSWER_SECONDS
from receiver.web.remembered import Remembered
from store import database
from store.inbox.spool.spool import host_spool
from store.operations import anomalies, delivery_counts, health, lost_commits
from store.operations.anomalies import Attention
from store.outbox import reactions
from store.outbox.reactions import Count
from store.privacy import overview
from store.privacy.restoring import gate
from store.proof.shown import health as log_health
from store.proof.shown.health import LatePlace, LogHealth
from store.starts import overview as overview_of_starts
from store.starts.requests import FailureKind
from store.system import clock
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor

_askers, _writers = DeadlineExecutor("metrics", 2), DeadlineExecutor("write", 1)

#: A database that takes longer to write a row is reported as one that cannot be written.
WRITE_SECONDS = 1.5

blueprint = Blueprint("metrics", __name__)


class Kept(Collector):
    """What the database and the queue report."""

    def collect(self) -> Iterable[Metric]:
        failure = _failure_to_write()
        yield GaugeMetricFamily("standing_database_writable", "Whether a delivery can be kept in the database.", failure is None)
        if failure is None:
            # While no heartbeat can be written, it is unknown which processes are running.
            yield GaugeMetricFamily("standing_workers", "Running workers.", health.workers())
            yield GaugeMetricFamily("standing_web_processes", "Running web processes.", len(database.read(delivery_counts.web_processes)))
        if failure is None or (not isinstance(failure, DeadlineExceeded) and _can_be_read()):
            yield from self._read()

    def _read(self) -> Iterable[Metric]:
        backlog = health.backlog()
        yield GaugeMetricFamily("standing_events_pending", "Events kept and not yet handled.", backlog.pending)
        yield GaugeMetricFamily(
            "standing_oldest_pending_age_seconds", "How long ago the oldest pending event was received.", backlog.oldest_seconds
        )
        yield GaugeMetricFamily("standing_events_retried", "Pending events that failed at least once.", backlog.tried)
        yield GaugeMetricFamily("standing_events_failed", "Dead letters.", health.failed())
        if spool := host_spool():
            yield GaugeMetricFamily("standing_spool_bytes", "What waits on this host for the database to be back.", spool.bytes_spooled())
        yield GaugeMetricFamily("standing_queue_up", "Whether a worker can be woken.", readiness.queue_outage.tell() is None)
        adverse = database.read(lambda connection: anomalies.adverse_reversals(connection, since=clock.now() - anomalies.DAY))
        yield GaugeMetricFamily("standing_adverse_reversals_last_day", "Live approvals that fell in the last 24 hours.", adverse)
        lost = database.read(lambda connection: lost_commits.noticed(connection, within=anomalies.DAY))
        yield GaugeMetricFamily(
            "standing_lost_commits_last_day", "Web processes that noticed in the last 24 hours that commits were lost.", lost.processes
        )
        yield from _attention(readiness.attention_told.tell())
        yield _secrets()
        yield from _erasures()
        yield latencies.times_to_visible_family()
        yield from change_counts.families()
        yield from _reactions()
        yield from _starts()
        yield from _log()


def _failure_to_write() -> Exception | None:
    try:
        return _writers.run(WRITE_SECONDS, lambda: service.failure_to_write(f"{socket.gethostname()}:{os.getpid()}"))
    except DeadlineExceeded as late:
        return late


def _can_be_read() -> bool:
    try:
        database.read(lambda connection: connection.scalar(select(1)))
    except (SQLAlchemyError, OSError):
        return False
    return True


#: The metrics of a subscriber's reactions: name, help text, value.
REACTIONS: list[tuple[str, str, Callable[[Count], float]]] = [
    ("standing_reactions_pending", "Reactions to changes that are still to be done.", lambda one: one.pending),
    ("standing_adverse_reactions_pending", "Those among them that tell of an approval that fell.", lambda one: one.adverse),
    ("standing_reactions_refused", "Those among them that were tried in vain.", lambda one: one.refused),
    ("standing_reactions_failed", "Reactions that gave up.", lambda one: one.failed),
    ("standing_oldest_reaction_age_seconds", "How long the oldest one waits.", lambda one: _age(one.oldest_at)),
]


def _reactions() -> Iterable[GaugeMetricFamily]:
    counts = [one for one in database.read(reactions.counts) if not one.is_retired]
    for name, says, value in REACTIONS:
        family = GaugeMetricFamily(name, says, labels=["subscriber"])
        for one in counts:
            family.add_metric([one.subscriber], value(one))
        yield family


def _age(moment: datetime | None) -> float:
    return (clock.now() - moment).total_seconds() if moment else 0


def _attention(found: Attention) -> Iterable[GaugeMetricFamily]:
    last = GaugeMetricFamily("standing_last_delivery_timestamp_seconds", "When the last authentic live delivery came.", labels=["vendor"])
    missing = GaugeMetricFamily("standing_missing_deliveries", "How many would usually have come since that one.", labels=["vendor"])
    doubted = GaugeMetricFamily(
        "standing_approvals_not_understood_last_day", "Live approvals of the last 24 hours that were not understood.", labels=["vendor"]
    )
    unknown = GaugeMetricFamily(
        "standing_unknown_event_types_last_week", "Live events of the last 7 days of an unknown type.", labels=["vendor"]
    )
    seen = {sight.vendor: sight for sight in found.vendors}
    for vendor in config.settings().senders:
        sight = seen.get(vendor)
        if sight and sight.last_at:
            last.add_metric([vendor], sight.last_at.timestamp())
        missing.add_metric([vendor], sight.missing if sight else 0)
        doubted.add_metric([vendor], sight.not_understood if sight else 0)
        unknown.add_metric([vendor], sum(sight.unknown_types.values()) if sight else 0)
    yield from (last, missing, doubted, unknown)
    still = "Live applicants in review without news for longer than REVIEW_HOURS_MAX."
    yield GaugeMetricFamily("standing_applicants_in_review_too_long", still, found.stuck_in_review)


def _erasures() -> Iterable[GaugeMetricFamily]:
    closed = float(gate.tell().is_closed)
    yield GaugeMetricFamily("standing_reads_blocked", "1: nothing is shown or handled, because of the ledger of erasures.", closed)
    found = database.read(lambda connection: overview.of(connection, "live"))
    counts = {"overdue": found.overdue, "held": found.held, "ahead": found.ahead, "at_vendor": found.at_vendor}
    family = GaugeMetricFamily("standing_erasures", "Live erasures that are not done.", labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    yield family


def _starts() -> Iterable[GaugeMetricFamily]:
    count = GaugeMetricFamily("standing_verifications_waiting", "Live verifications whose next step is to be done here.", labels=["vendor"])
    age = GaugeMetricFamily("standing_oldest_verification_age_seconds", "How long ago the oldest one was asked for.", labels=["vendor"])
    failed = GaugeMetricFamily("standing_verifications_failed", "Live verifications that were given up.", labels=["vendor", "kind"])
    waiting = {one.vendor: one for one in database.read(lambda connection: overview_of_starts.waiting(connection, "live"))}
    given_up = {
        (one.vendor, one.kind): one.count for one in database.read(lambda connection: overview_of_starts.given_up(connection, "live"))
    }
    for vendor in VENDORS:
        count.add_metric([vendor], waiting[vendor].count if vendor in waiting else 0)
        age.add_metric([vendor], _age(waiting[vendor].oldest_at if vendor in waiting else None))
        for kind in FailureKind:
            failed.add_metric([vendor, kind], given_up.get((vendor, kind), 0))
    yield from (count, age, failed)


#: The metrics of the log: name, help text, value.
LOG: list[tuple[str, str, Callable[[LogHealth], float]]] = [
    ("standing_log_leaves", "Leaves of the log.", lambda one: one.size),
    ("standing_log_signed_leaves", "Those that the newest checkpoint covers.", lambda one: one.signed_size),
    ("standing_log_unlogged_age_seconds", "How long the oldest row without a leaf waits.", lambda one: one.unlogged_for.total_seconds()),
    ("standing_log_unsigned_age_seconds", "How long the oldest leaf waits to be signed.", lambda one: one.unsigned_for.total_seconds()),
    ("standing_log_stopped", "1: nothing is signed until a new epoch begins.", lambda one: one.stopped_for_good),
    ("standing_log_faults", "Faults that the last comparison of the tables with the log found.", lambda one: one.faults),
    ("standing_log_unverified_age_seconds", "How long what is new was not compared.", lambda one: _age(one.unverified_since)),
]


def _look_at_log(connection: Connection) -> tuple[LogHealth, list[LatePlace]]:
    found = log_health.of(connection)
    return found, log_health.late_places(connection, found)


def _log() -> Iterable[GaugeMetricFamily]:
    found, places = database.read(_look_at_log)
    for name, says, value in LOG:
        yield GaugeMetricFamily(name, says, value(found))
    late = GaugeMetricFamily("standing_log_publication_late_seconds", "For how long a place lacks a checkpoint.", labels=["place"])
    longest: dict[str, float] = {}
    for one in places:
        longest[one.place] = max(longest.get(one.place, 0), one.late.total_seconds())
    for place, seconds in longest.items():
        late.add_metric([place], seconds)
    yield late


def _secrets() -> GaugeMetricFamily:
    """Return when the signing secrets last matched: each by its fingerprint where a token is needed, else together."""
    told = bool(config.settings().tokens.metrics)
    says, labels = "When each of the vendors' secrets last matched; 0: never.", ["vendor", "environment", *(["secret"] if told else [])]
    metric = GaugeMetricFamily("standing_secret_last_match_timestamp_seconds", says, labels=labels)
    last: dict[tuple[str, ...], float] = {}
    for secret in database.read(secret_usage.look):
        which = (secret.vendor, secret.environment, *([secret.fingerprint] if told else []))
        last[which] = max(last.get(which, 0), secret.last_at.timestamp() if secret.last_at else 0)
    for which, moment in last.items():
        metric.add_metric(which, moment)
    return metric


@blueprint.get("/metrics")
@call(right=Right.WATCH, query=None, answers=Text("text/plain", {"type": "string"}))
def metrics() -> Response:
    """The metrics in Prometheus' text format."""
    return Response(_metrics.tell(), content_type=CONTENT_TYPE_LATEST)


def _made() -> bytes:
    registry = CollectorRegistry()
    registry.register(Kept())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        counted = b""
    else:
        counted = generate_latest(REGISTRY)
    asked = _askers.run(ANSWER_SECONDS, lambda: generate_latest(registry))
    return asked + counted


_metrics = Remembered(_made, seconds=readiness.REMEMBERED_SECONDS)
