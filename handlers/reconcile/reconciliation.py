"""A reconciliation run: one process asks a vendor about many applicants, reports what drifts and, if wanted, repairs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import structs
from sqlalchemy import Connection

from handlers.clients.vendor import CredentialsRefused, Listed, Unanswered
from handlers.reconcile import compare, progress
from handlers.reconcile.compare import Finding
from handlers.reconcile.progress import ReconciliationRun, Stopped
from store import database
from store.applicants import table as applicants
from store.inbox import wakeup
from store.operations import reconciliations
from store.text import traces
from store.text.counts import counted
from store.text.states import ApplicantKey

#: Applicants whose names are read at once, and cases of a list that are looked up at once.
NAMES_AT_ONCE = 100

#: After so many requests in a row without an answer, the vendor counts as unavailable.
UNANSWERED_MAX = 5


class Enough(Exception):
    """More applicants would change than is allowed."""


def run(
    one: ReconciliationRun,
    *,
    on_finding: Callable[[Finding], None],
    on_asked: Callable[[], None] = lambda: None,
    due_before: datetime | None = None,
) -> None:
    """Ask about every matching applicant; report each that drifts and each unclear answer. Raises Busy.

    What is reported is kept until the vendor's next run. A repair is kept as soon as it is found, with an entry in the audit log; the
    workers handle it."""
    progress.begin(one, due_before)
    is_over = True

    def report(finding: Finding) -> None:
        progress.keep(one, finding)
        on_finding(finding)

    try:
        _ask_all(one, report, on_asked)
    except (Unanswered, Enough) as error:
        one.said = str(error)
    except BaseException as error:
        one.said, is_over = f"it was interrupted ({type(error).__name__})", not isinstance(error, Stopped)
        raise
    finally:
        progress.end(one, is_over=is_over)


def _ask_all(one: ReconciliationRun, on_finding: Callable[[Finding], None], on_asked: Callable[[], None]) -> None:
    """Ask until every applicant was asked about. Raises Unanswered where going on is pointless, and Enough."""
    unanswered = 0
    for reference in _references(one):
        key = ApplicantKey(one.vendor, one.environment, reference)
        try:
            with traces.following(traces.begin()):
                _ask(one, key, on_finding)
            unanswered = 0
        except Unanswered as error:
            unanswered += 1
            if isinstance(error, CredentialsRefused) or error.again_at or unanswered >= UNANSWERED_MAX:
                raise
            on_finding(compare.unanswered(key, error))
        on_asked()
        progress.beat(one)


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
            progress.beat(one)
    yield from _differing(some)


def _differing(listed: dict[ApplicantKey, str | None]) -> list[str]:
    known = database.read(lambda connection: applicants.among(connection, list(listed))) if listed else {}
    words = {key: found.vendor_status for key, found in known.items() if found.version}
    return [key.reference for key, status in listed.items() if key not in words or words[key] != status]
