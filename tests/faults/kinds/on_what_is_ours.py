"""Faults of what is the service's own: its disk, its clock, and the handling of one event."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults import processes
from tests.faults.fault import Amid, Deed, Fault
from tests.faults.ground import NotInflicted, until

HOUR_SECONDS = 3600

#: For so long nothing is handled before the clock is set right.
BACKLOG_SECONDS = 2.0

#: How long one event cannot be handled. The first attempts fail in this time, and those due after it succeed.
POISONED_SECONDS = 10.0
PATIENT = {"RETRY_BASE_SECONDS": "5"}


@contextmanager
def full_sqlite(amid: Amid) -> Iterator[None]:
    """The file may grow no more."""
    with sqlite3.connect(f"file:{amid.ground.folder / 'standing.sqlite3'}?mode=ro", uri=True) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    amid.ground.arm("sqlite_pages_max", str(pages))
    yield
    amid.ground.disarm("sqlite_pages_max")


def clock_off(seconds: int) -> Deed:
    """Our clock is wrong, and when it is set right, deliveries wait that were received at the wrong time."""

    @contextmanager
    def shift(amid: Amid) -> Iterator[None]:
        amid.ground.arm("clock", str(seconds))
        yield
        worker = processes.family(amid.ground.worker())
        processes.tell(worker, signal.SIGSTOP)
        try:
            time.sleep(BACKLOG_SECONDS)
        finally:
            amid.ground.disarm("clock")
            processes.tell(worker, signal.SIGCONT)

    return shift


def poisoned(deed: str) -> Deed:
    """One event that cannot be handled, until it can."""

    @contextmanager
    def poison(amid: Amid) -> Iterator[None]:
        letter = amid.traffic.ahead(amid.chance).letter
        point = f"interpret.{hashlib.sha256(letter.body).hexdigest()}"
        amid.ground.arm(point, deed)
        try:
            (event_id,) = until(lambda: amid.traffic.ledger.acknowledged.get(letter), "the event to be kept", seconds=20)
            yield
            pending = amid.traffic.service.read("events", status="pending", limit="500").content.get("data", [])
            if event_id not in [event["id"] for event in pending]:
                raise NotInflicted("the event was handled all the same")
        finally:
            amid.ground.disarm(point)

    return poison


FAULTS = (
    Fault(name="sqlite-full", description="disk full (SQLite's max_page_count)", deed=full_sqlite, seconds=10, on_sqlite=True),
    Fault(name="clock-forward", description="our clock an hour ahead, set right amid a backlog", deed=clock_off(HOUR_SECONDS), seconds=10),
    Fault(name="clock-back", description="our clock an hour behind, set right amid a backlog", deed=clock_off(-HOUR_SECONDS), seconds=10),
    Fault(
        name="handler-raises",
        description="handling one event raises (RETRY_BASE_SECONDS=5)",
        deed=poisoned("raise"),
        seconds=POISONED_SECONDS,
        settings=PATIENT,
    ),
    Fault(
        name="handler-hangs",
        description="handling one event hangs (RETRY_BASE_SECONDS=5)",
        deed=poisoned("hang"),
        seconds=POISONED_SECONDS,
        settings=PATIENT,
    ),
    Fault(
        name="handler-eats",
        description="handling one event eats memory (RETRY_BASE_SECONDS=5)",
        deed=poisoned("eat"),
        seconds=POISONED_SECONDS,
        settings=PATIENT,
    ),
)
