"""The scheduler: asks the vendors at configured intervals, in a process beside the worker.

However many schedulers run, one at a time asks a vendor, and no sooner than it is due.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import timedelta

import structlog

from handlers import clients, config
from handlers.clients.pacing import Pacing, Timer
from handlers.clients.vendor import Client
from handlers.reconcile import reconciliation
from handlers.reconcile.compare import Finding
from handlers.reconcile.reconciliation import Busy, ReconciliationRun, Repair
from store import config as store_config
from store.access.operators import Actor
from store.operations.reconciliations import ApplicantFilter
from store.system import clock, processes
from store.system.logs import describe_error

log = structlog.get_logger()

#: How often is looked whether a vendor is to be asked.
LOOK_SECONDS = 5.0

#: How many applicants one scheduled round may change: more are for a person to look at.
CHANGES_MAX = 100

_stopping = threading.Event()


class Stopped(Exception):
    """The process is to end."""


def run() -> None:
    """Ask the vendors that are due, until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())
    settings = config.settings()
    found = clients.clients(settings, patience=Pacing(watch=Timer(sleep=_rest)))
    while not _stopping.wait(LOOK_SECONDS):
        for vendor in settings.reconcile_vendors:
            try:
                _ask(found[vendor], settings.reconcile_every, repairs=settings.reconcile_repairs)
            except (Busy, Stopped):
                continue  # On purpose: it is not due, another asks, or there is no time.
            except Exception as error:  # Usually the database is unavailable: it is asked later.
                log.warning("a vendor was not asked to the end", vendor=vendor, error=describe_error(error))


def _ask(client: Client, every: timedelta, *, repairs: bool) -> None:
    repair = Repair(by=Actor("standing", by_token=False), reason="as scheduled", changes_max=CHANGES_MAX) if repairs else None
    one = ReconciliationRun(client=client, environment=config.settings().api_environment, chosen=_chosen(client, every), repair=repair)
    reconciliation.run(one, on_finding=_tell, on_asked=_end_if_asked_to, due_before=clock.now() - every)
    log.info("a vendor was asked", vendor=one.vendor, asked=one.asked, drifted=one.drifted, repaired=one.repaired)


def _chosen(client: Client, every: timedelta) -> ApplicantFilter:
    """The possibly affected applicants; at a vendor that forbids polling, those without an event for too long."""
    now = clock.now()
    if client.may_be_polled:
        return ApplicantFilter(concerned_since=now - every)
    return ApplicantFilter(silent_since=now - store_config.settings().review_max)


def _tell(finding: Finding) -> None:
    key = finding.key
    log.warning(
        "the vendor says otherwise" if finding.drifts else "the vendor gave no answer",
        vendor=key.vendor,
        ours=finding.ours,
        theirs=finding.theirs,
        event_id=finding.event_id,
    )


def _end_if_asked_to() -> None:
    if _stopping.is_set():
        raise Stopped


def _rest(seconds: float) -> None:
    """Pause between two requests, but no longer than until the process is to end."""
    if _stopping.wait(seconds):
        raise Stopped


def main(parent: str) -> None:
    """Ask as long as the parent runs."""
    processes.begin()
    processes.live_with_parent(parent)
    run()


if __name__ == "__main__":
    main(sys.argv[-1])
