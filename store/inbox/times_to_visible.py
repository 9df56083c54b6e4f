"""Times to visible: how long each event waited from its receipt until the commit that settled it, as a histogram.

A worker counts in memory and adds its counts to the table every few seconds. No batch waits for a row that all workers share. A worker
that is killed loses the counts of its last seconds, and nothing else.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from sqlalchemy import Connection, select

from store import database
from store.database import bulk
from store.database.count_tables import TimeToVisible
from store.inbox.events import InboxEvent
from store.system import clock

#: Upper bounds of the buckets, in seconds: a status is usually visible within 0.1 s. Without the queue it takes some seconds, after
#: an outage or a failed attempt minutes or hours.
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0)
LES = (*map(str, BOUNDS), "+Inf")


class Bucket(NamedTuple):
    """A bucket of the events of a vendor and an environment."""

    vendor: str
    environment: str
    le: str


@dataclass
class Counted:
    """How many events a bucket has, and the sum of their times."""

    count: int = 0
    seconds: float = 0.0

    def add(self, count: int, seconds: float) -> None:
        self.count, self.seconds = self.count + count, self.seconds + seconds


@dataclass(frozen=True)
class Histogram:
    """The times of a vendor's events: how many were visible within each bound (`le`), and the sum of the times in seconds."""

    buckets: list[tuple[str, int]]
    seconds: float


#: Of a vendor and an environment without any event.
EMPTY = Histogram([(le, 0) for le in LES], 0.0)

#: What this process counted and has not written yet. Threads that handle events and the one that writes share it.
_counts: dict[Bucket, Counted] = {}
_lock = threading.Lock()


def note(events: Iterable[InboxEvent]) -> None:
    """Count events that were settled just now. A replayed event is left out: it was visible before."""
    now = clock.now()
    with _lock:
        for event in events:
            if not event.replayed:
                # Two hosts' clocks may differ: no time is below 0.
                seconds = max(0.0, (now - event.received_at).total_seconds())
                bucket = Bucket(event.vendor, event.environment, LES[bisect_left(BOUNDS, seconds)])
                _counts.setdefault(bucket, Counted()).add(1, seconds)


def tell() -> None:
    """Add what this process counted to the table. Commits. Raises what the database raises: then the counts are kept for the next time."""
    global _counts
    with _lock:
        counts, _counts = _counts, {}
    if not counts:
        return
    try:
        database.write(lambda connection: _add(connection, counts))
    except BaseException:
        with _lock:
            for bucket, counted in counts.items():
                _counts.setdefault(bucket, Counted()).add(counted.count, counted.seconds)
        raise


def _add(connection: Connection, counts: dict[Bucket, Counted]) -> None:
    database.relax_durability(connection)
    # In one order everywhere, so that workers that write at the same moment do not deadlock.
    rows = [bucket._asdict() | vars(counted) for bucket, counted in sorted(counts.items(), key=lambda one: one[0])]
    change = {name: f"times_to_visible.{name} + excluded.{name}" for name in ("count", "seconds")}
    bulk.insert(connection, TimeToVisible, rows, over=Bucket._fields, change=change)


def histograms(connection: Connection) -> dict[tuple[str, str], Histogram]:
    """Return the histogram of each vendor and environment that had an event."""
    found: dict[tuple[str, str], list[Counted]] = {}
    for vendor, environment, le, count, seconds in connection.execute(select(*TimeToVisible.__table__.columns)):
        buckets = found.setdefault((vendor, environment), [Counted() for _ in LES])
        # A bound of another version counts with the next one of today.
        buckets[bisect_left(BOUNDS, float(le))].add(count, seconds)
    return {key: _histogram(buckets) for key, buckets in found.items()}


def _histogram(buckets: list[Counted]) -> Histogram:
    within = accumulate(one.count for one in buckets)
    return Histogram(list(zip(LES, within, strict=True)), sum(one.seconds for one in buckets))
