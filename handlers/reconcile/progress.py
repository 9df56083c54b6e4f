"""A reconciliation's progress: which process asks a vendor, how far it is, and what it found, as the database has it."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from handlers.clients.vendor import Client
from handlers.reconcile.compare import Finding
from handlers.vendors import VENDORS
from store import database
from store.access import audit
from store.access.operators import Actor
from store.operations import delivery_counts, reconciliations
from store.operations.reconciliations import ApplicantFilter

#: How often a run reports that it is still asking.
TOLD_SECONDS = 5.0

#: How many findings of a run are kept.
FINDINGS_MAX = 1000


class Busy(Exception):
    """This vendor cannot be asked now: another process does, or deliveries of it are still in a spool."""


class Stopped(Exception):
    """The process is to end. A run that somebody asked for is made again by another."""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """The order to repair what drifts: the operator, the reason, and how many applicants may change."""

    by: Actor
    reason: str
    changes_max: int


@dataclass(kw_only=True)
class ReconciliationRun:
    """What is asked of a vendor, and the progress."""

    client: Client
    environment: str
    chosen: ApplicantFilter
    #: None: it is only looked.
    repair: Repair | None = None
    #: Who has the vendor asked, where that is known.
    actor: str | None = None
    #: Whether somebody asked for it over HTTP.
    is_wanted: bool = False
    asked: int = 0
    drifted: int = 0
    repaired: int = 0
    kept: int = 0
    #: Why it ended before its end.
    said: str | None = None
    runner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    told_at: float = field(default_factory=time.monotonic)

    @property
    def vendor(self) -> str:
        return self.client.vendor

    @property
    def is_round(self) -> bool:
        """Whether it is not about named applicants."""
        return not self.chosen.references

    @property
    def is_recorded(self) -> bool:
        """Whether it is the vendor's one run at a time, whose progress and findings are kept: not a command's question about named
        applicants."""
        return self.is_round or self.is_wanted


def begin(one: ReconciliationRun, due_before: datetime | None) -> None:
    """Become the process that asks. Raises Busy."""
    if not VENDORS[one.vendor].has_clock and database.read(_is_spooled):
        raise Busy("deliveries still wait in a spool: an answer would be taken for older than they are")
    if not one.is_recorded:
        return

    def work(connection: Connection) -> bool:
        return reconciliations.take(
            connection,
            one.vendor,
            one.environment,
            runner=one.runner,
            due_before=due_before,
            actor=one.actor,
            repairs=one.repair is not None,
            is_round=one.is_round,
            is_wanted=one.is_wanted,
        )

    if not database.write(work):
        raise Busy(f"{one.vendor} is being asked by another process, or is not due")


def _is_spooled(connection: Connection) -> bool:
    return any(process.spool_bytes for process in delivery_counts.web_processes(connection))


def beat(one: ReconciliationRun) -> None:
    """Record a heartbeat now and then. Raises Busy if another process took over."""
    if time.monotonic() - one.told_at > TOLD_SECONDS:
        one.told_at = time.monotonic()
        if not _tell(one):
            raise Busy(f"{one.vendor} is being asked by another process, which took over")


def end(one: ReconciliationRun, *, is_over: bool) -> None:
    """Record the end, and in the audit log that an operator repaired, however the run ended. A run that was asked for and is not over is
    made again."""
    _tell(one, ended=True, is_over=is_over)
    _record(one)


def _tell(one: ReconciliationRun, *, ended: bool = False, is_over: bool = False) -> bool:
    """Record the progress; return False if another process took over."""
    if not one.is_recorded:
        return True
    values = {"asked": one.asked, "drifted": one.drifted, "repaired": one.repaired, "said": one.said}
    values |= {"wanted": None} if one.is_wanted and is_over else {}

    def work(connection: Connection) -> bool:
        return reconciliations.tell(connection, one.vendor, one.environment, runner=one.runner, ended=ended, **values)

    return database.write(work)


def keep(one: ReconciliationRun, finding: Finding) -> None:
    """Keep a finding, so that it can be shown until the next run."""
    if not one.is_recorded or one.kept >= FINDINGS_MAX:
        return
    names = ("ours", "ours_since", "theirs", "theirs_since", "drifts", "repair", "event_id", "says")
    values = {name: getattr(finding, name) for name in names}
    database.write(lambda connection: reconciliations.keep_finding(connection, finding.key, **values))
    one.kept += 1


def _record(one: ReconciliationRun) -> None:
    """Record in the audit log that an operator repaired."""
    repair = one.repair
    if repair is None or not one.repaired:
        return
    subject = f"{one.vendor} {one.environment}"

    def work(connection: Connection) -> None:
        by, reason, touched = repair.by, repair.reason, one.repaired
        audit.write(connection, actor=by.name, action="reconcile", subject=subject, reason=reason, touched=touched, os_user=by.os_user)

    database.write(work)
