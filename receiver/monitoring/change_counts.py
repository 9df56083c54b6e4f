"""Counts of changes for Prometheus: of statuses and of reversals, by vendor and environment, since the first day."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily

from receiver import config
from store import database
from store.applicants import daily_counts
from store.text.states import Reversal, VendorEnvironment


def families() -> Iterable[CounterMetricFamily]:
    """Return the counts of each configured vendor and environment."""
    totals = database.read(daily_counts.totals)
    changes = "Changes of status, by the status that an applicant got."
    reversals = "Changes that reversed an approval or a rejection."
    for name, says, label, words in (
        ("standing_changes", changes, "status", daily_counts.STATUSES),
        ("standing_reversals", reversals, "reversal", tuple(Reversal)),
    ):
        family = CounterMetricFamily(name, says, labels=["vendor", "environment", label])
        for vendor in config.settings().senders:
            for environment in VendorEnvironment:
                for word in words:
                    family.add_metric([vendor, environment, word], totals.get((environment, vendor, word), 0))
        yield family
