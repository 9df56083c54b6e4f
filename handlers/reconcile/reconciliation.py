"""A reconciliation run: one process asks a vendor about many applicants, reports what drifts and, if wanted, repairs it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import structs
from sqlalchemy import Connection

from handlers.clients.vendor import Client, CredentialsRefused, Listed, Unanswered
from handlers.reconcile import compare
from handlers.reconcile.compare import Finding
from handlers.vendors import VENDORS
from store import database
from store.access import audit
from store.access.operators import Actor
from store.applicants import table as applicants
from store.inbox import wakeup
from store.operations import delivery_counts, reconciliations
from store.operations.reconciliations import ApplicantFilter
from store.text.counts import counted
from store.text.states import ApplicantKey

#: Applicants whose names are read at once, and cases of a list that are looked up at once.
NAMES_AT_ONCE = 100

#: How often a run reports that it is still asking.
TOLD_SECONDS = 5.0

#: After so many requests in a row without an answer, the vendor counts as unavailable.
UNANSWERED_MAX = 5


class Busy(Exception):
    """This vendor cannot be asked now: another process does, or deliveries of it are still in a spool."""


class Enough(Exception):
    """More applicants would change than is allowed."""


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
    asked: int = 0
    drifted: int = 0
    repaired: int = 0
    #: Why it ended before its end.
    said: str | None = None
    runner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    told_at: float = field(default_factory=time.monotonic)

    @property
    def vendor(self) -> str:
        return self.client.vendor

    @property
    def is_whole(self) -> bool:
        """Whether this is a full run, of which there is one at a time, and not a question about named applicants."""
        return not self.chosen.references


def run(
    one: ReconciliationRun,
    *,
    on_finding: Callable[[Finding], None],
    on_asked: Callable[[], None] = lambda: None,
    due_before: datetime | None = None,
) -> None:
    """Ask about every matching applicant; report each that drifts and each unclear answer. Raises Busy.

    A repair is kept as soon as it is found, with an entry in the audit log; the workers handle it."""
    _begin(one, due_before)
    try:
        _ask_all(one, on_finding, on_asked)
    except (Unanswered, Enough) as error:
        one.said = str(error)
    except BaseException as error:
        one.said = f"it was interrupted ({type(error).__name__})"
        raise
    finally:
        _tell(one, ended=True)
        _record(one)


def _begin(one: ReconciliationRun, due_before: datetime | None) -> None:
    """Become the process that asks. Raises Busy."""
    if not VENDORS[one.vendor].has_clock and database.read(_is_spooled):
        raise Busy("deliveries still wait in a spool: an answer would be taken for older than they are")
    if not one.is_whole:
        return

    def work(connection: Connection) -> bool:
        return reconciliations.take(connection, one.vendor, one.environment, runner=one.runner, due_before=due_before)

    if not database.write(work):
        raise Busy(f"{one.vendor} is being asked by another process, or is not due")


def _is_spooled(connection: Connection) -> bool:
    return any(process.spool_bytes for process in delivery_counts.web_processes(connection))


def _ask_all(one: ReconciliationRun, on_finding: Callable[[Finding], None], on_asked: Callable[[], None]) -> None:
    """Ask until every applicant was asked about. Raises Unanswered where going on is pointless, and Enough."""
    unanswered = 0
    for reference in _references(one):
        key = ApplicantKey(one.vendor, one.environment, reference)
        try:
            _ask(one, key, on_finding)
            unanswered = 0
        except Unanswered as error:
            unanswered += 1
            if isinstance(error, CredentialsRefused) or error.again_at or unanswered >= UNANSWERED_MAX:
                raise
            on_finding(compare.unanswered(key, error))
        on_asked()
        _beat(one)


def _ask(one: ReconciliationRun, key: ApplicantKey, on_finding: Callable[[Finding], None]) -> None:
    asked = compare.ask(one.client, key)
    finding = compare.compare(asked)
    one.asked += 1
    one.drifted += finding.drifts
    enough = one.repair is not None and one.repaired >= one.repair.changes_max
    if finding.repair and one.repair and not enough:
        finding = compare.with_event(finding, compare.repair(asked))
        one.repaired += 1
        wakeup.notify()
    if finding.drifts or finding.unclear:
        on_finding(finding)
    if finding.repair and enough:
        assert one.repair is not None
        raise Enough(f"more than {counted(one.repair.changes_max, 'applicant')} would be changed")


# applicants to ask about -----------------------------------------------------------------------------------------------


def _references(one: ReconciliationRun) -> Iterator[str]:
    """Yield the applicants to ask about: the named ones; else those whose status in the vendor's list differs, and those of our table.

    We cannot know which applicants a lost webhook was about. So the choice is those in the list, or those that the vendor allows to
    be asked about."""
    if one.chosen.references:
        yield from one.chosen.references
        return
    listing = None if one.chosen.silent_since else one.client.listing()
    listed: set[str] = set()
    for reference in _listed(one, listing or ()):
        listed.add(reference)
        yield reference
    if listing is None or one.chosen.concerned_since is None:
        yield from (reference for reference in _known(one) if reference not in listed)


def _known(one: ReconciliationRun) -> Iterator[str]:
    last = ""
    while found := _known_after(one, last):
        yield from found
        last = found[-1]


def _known_after(one: ReconciliationRun, last: str) -> list[str]:
    concerned_since = None if one.client.may_be_polled else one.chosen.concerned_since
    asked = structs.replace(one.chosen, concerned_since=concerned_since)

    def work(connection: Connection) -> list[str]:
        return reconciliations.references(connection, one.vendor, one.environment, asked, after=last, limit=NAMES_AT_ONCE)

    return database.read(work)


def _listed(one: ReconciliationRun, listing: Iterable[Listed]) -> Iterator[str]:
    """Applicants whose word in the vendor's list differs from the last news, or that are unknown here."""
    some: dict[ApplicantKey, str | None] = {}
    for listed in listing:
        some[ApplicantKey(one.vendor, one.environment, listed.reference)] = listed.status
        if len(some) >= NAMES_AT_ONCE:
            yield from _differing(some)
            some = {}
            _beat(one)
    yield from _differing(some)


def _differing(listed: dict[ApplicantKey, str | None]) -> list[str]:
    known = database.read(lambda connection: applicants.among(connection, list(listed))) if listed else {}
    words = {key: found.vendor_status for key, found in known.items() if found.version}
    return [key.reference for key, status in listed.items() if key not in words or words[key] != status]


# telling ------------------------------------------------------------------------------------------------------


def _beat(one: ReconciliationRun) -> None:
    """Record a heartbeat now and then. Raises Busy if another process took over."""
    if time.monotonic() - one.told_at > TOLD_SECONDS:
        one.told_at = time.monotonic()
        if not _tell(one):
            raise Busy(f"{one.vendor} is being asked by another process, which took this one for dead")


def _tell(one: ReconciliationRun, *, ended: bool = False) -> bool:
    """Record the progress; return False if another process took over."""
    if not one.is_whole:
        return True
    counts = {"asked": one.asked, "drifted": one.drifted, "repaired": one.repaired, "said": one.said}

    def work(connection: Connection) -> bool:
        return reconciliations.tell(connection, one.vendor, one.environment, runner=one.runner, ended=ended, **counts)

    return database.write(work)


def _record(one: ReconciliationRun) -> None:
    """Record in the audit log that an operator repaired, however the run ended."""
    repair = one.repair
    if repair is None or not one.repaired:
        return
    subject = f"{one.vendor} {one.environment}"

    def work(connection: Connection) -> None:
        by, reason, touched = repair.by, repair.reason, one.repaired
        audit.write(connection, actor=by.name, action="reconcile", subject=subject, reason=reason, touched=touched, os_user=by.os_user)

    database.write(work)
