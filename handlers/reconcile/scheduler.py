"""The scheduler: asks the vendors at configured intervals and whenever somebody asks for it over HTTP, in a process beside the worker.

However many schedulers run, one at a time asks a vendor, and no sooner than it is due.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import datetime

import structlog

from handlers import clients, config
from handlers.clients.pacing import Pacing, Timer
from handlers.clients.vendor import Client
from handlers.reconcile import reconciliation
from handlers.reconcile.compare import Finding
from handlers.reconcile.progress import Busy, ReconciliationRun, Repair, Stopped
from store import config as store_config
from store import database
from store.access.operators import Actor
from store.operations import reconciliations
from store.operations.reconciliations import ApplicantFilter, Wanted
from store.system import clock, processes
from store.system.logs import describe_error

log = structlog.get_logger()

#: How often is looked whether a vendor is to be asked.
LOOK_SECONDS = 5.0

#: How many applicants one scheduled round may change: more are for a person to look at.
CHANGES_MAX = 100

_stopping = threading.Event()


def run() -> None:
    """Ask the vendors that are due, or that somebody wants asked, until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _stopping.set())
    found = clients.clients(config.settings(), patience=Pacing(watch=Timer(sleep=_rest)))
    threads = [threading.Thread(target=_serve, args=(client,), daemon=True) for client in found.values()]
    for thread in threads:
        thread.start()
    _stopping.wait()
    for thread in threads:
        thread.join()


def _serve(client: Client) -> None:
    """Ask one vendor. The others have threads of their own: a run that takes hours delays none that somebody waits for."""
    while not _stopping.wait(LOOK_SECONDS):
        try:
            _look(client)
        except (Busy, Stopped):
            continue  # On purpose: it is not due, another asks, or there is no time.
        except Exception as error:  # Usually the database is unavailable: it is asked later.
            log.warning("a vendor was not asked to the end", vendor=client.vendor, error=describe_error(error))


def _look(client: Client) -> None:
    """Make the run that somebody asked for, else the one that is due. Raises Busy and Stopped."""
    settings = config.settings()
    wanted = database.read(lambda connection: reconciliations.wanted(connection, client.vendor, settings.api_environment))
    if wanted is not None:
        _run(_wanted_run(client, wanted))
    elif client.vendor in settings.reconcile_vendors:
        _run(_scheduled_run(client), due_before=clock.now() - settings.reconcile_every)


def _run(one: ReconciliationRun, *, due_before: datetime | None = None) -> None:
    reconciliation.run(one, on_finding=_tell, on_asked=_end_if_asked_to, due_before=due_before)
    log.info("a vendor was asked", vendor=one.vendor, asked=one.asked, drifted=one.drifted, repaired=one.repaired)


def _wanted_run(client: Client, wanted: Wanted) -> ReconciliationRun:
    by = Actor(wanted.by, by_token=True)
    repair = Repair(by=by, reason=wanted.reason, changes_max=wanted.changes_max) if wanted.repair else None
    named = wanted.references or wanted.since
    chosen = ApplicantFilter(references=wanted.references, concerned_since=wanted.since) if named else _chosen(client)
    environment = config.settings().api_environment
    return ReconciliationRun(client=client, environment=environment, chosen=chosen, repair=repair, actor=wanted.by, is_wanted=True)


def _scheduled_run(client: Client) -> ReconciliationRun:
    settings, by = config.settings(), Actor("standing", by_token=False)
    repair = Repair(by=by, reason="as scheduled", changes_max=CHANGES_MAX) if settings.reconcile_repairs else None
    chosen = _chosen(client)
    return ReconciliationRun(client=client, environment=settings.api_environment, chosen=chosen, repair=repair, actor=by.name)


def _chosen(client: Client) -> ApplicantFilter:
    """The possibly affected applicants; at a vendor that forbids polling, those without an event for too long."""
    now = clock.now()
    if client.may_be_polled:
        return ApplicantFilter(concerned_since=now - config.settings().reconcile_every)
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
