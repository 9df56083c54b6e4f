"""Import: keep the rows of a checked file, some in each transaction, and wait until workers have handled them.

Each row makes one event, always the same one. So an import is resumed, or repeated, by running it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click
from sqlalchemy import Connection

from handlers.cli.transfer import import_check
from handlers.cli.transfer.import_check import Checked, OnProgress
from handlers.cli.transfer.import_fields import Known, Whose
from store import database
from store.access import audit, operators
from store.applicants import erased as erased_applicants
from store.applicants import links
from store.inbox import imports, internal_events, wakeup
from store.inbox.imports import Span
from store.operations import health
from store.text.states import ApplicantKey

#: A busy database is asked again, after so long each time.
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

#: How long an import waits for a worker where none is running.
NOBODY_SECONDS_MAX = 5.0

#: Who waits looks after so long, and longer where a look takes long: it may take one part in so many of the time.
PAUSE_SECONDS, LOOKS_SELDOM = 0.1, 10

#: Live traffic goes first: so few of an import's events are to lie before the workers, who are waited for so long after each part.
AHEAD_MAX, FOLLOW_SECONDS_MAX = 2000, 2.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The number of rows, how many of them were new, and the range of the events that they made."""

    rows: int = 0
    new: int = 0
    #: Rows about applicants that were erased. They are left out.
    erased: int = 0
    span: Span | None = None


def bring(checked: Checked, *, environment: str, on_rows: OnProgress) -> Brought:
    """Keep the rows that are not known yet, with an entry in the audit log. Commits. Raises FileChanged."""
    brought = Brought()
    for some in import_check.again(checked):
        known, cases = [row for row in some if isinstance(row, Known)], [row for row in some if isinstance(row, Whose)]
        brought = _keep(checked, environment, known, brought) if known else _link(checked, environment, cases, brought)
        on_rows(len(some))
        if brought.span:
            _let_workers_follow(brought.span)
    return brought


def _keep(checked: Checked, environment: str, rows: Sequence[Known], brought: Brought) -> Brought:
    def work(connection: Connection) -> tuple[list[str], int]:
        counted = _counted(connection, environment, rows)
        made = [internal_events.known_before(row.vendor, environment, row.body) for row in counted]
        kept = imports.keep_unknown(connection, made)
        _record(connection, checked, brought, new=len(kept))
        return kept, len(rows) - len(counted)

    kept, erased = _insistently(work)
    if kept:
        wakeup.notify()
    ids = [*kept, *((brought.span.first, brought.span.last) if brought.span else ())]
    span = Span(first=min(ids), last=max(ids)) if ids else None
    return Brought(rows=brought.rows + len(rows), new=brought.new + len(kept), erased=brought.erased + erased, span=span)


def _counted(connection: Connection, environment: str, rows: Sequence[Known]) -> list[Known]:
    """Return the rows without those of erased applicants."""
    keys = [ApplicantKey(row.vendor, environment, row.body.reference) for row in rows]
    gone = erased_applicants.among(connection, keys)
    return [row for row, key in zip(rows, keys, strict=True) if key not in gone or gone[key].lets_in(row.body.at)]


def _link(checked: Checked, environment: str, rows: Sequence[Whose], brought: Brought) -> Brought:
    users = {ApplicantKey("ifcgate", environment, row.case_id): row.external_user_id for row in rows}

    def work(connection: Connection) -> tuple[int, int]:
        counted = erased_applicants.not_erased(connection, users)
        new = links.link_all(connection, {key: users[key] for key in counted}, by=operators.at_this_terminal().name)
        _record(connection, checked, brought, new=new)
        return new, len(users) - len(counted)

    new, erased = _insistently(work)
    return Brought(rows=brought.rows + len(rows), new=brought.new + new, erased=brought.erased + erased)


def _record(connection: Connection, checked: Checked, brought: Brought, *, new: int) -> None:
    """Write the audit log's entry with the first part that changes anything."""
    if new and not brought.new:
        name = click.format_filename(checked.path.name)
        audit.record(connection, action="import", subject=f"file {name}"[:500], touched=checked.rows)


def _insistently(work: Callable[[Connection], T]) -> T:
    """Return what the work returns, committed, even if the database is busy for a while. The work must be safe to run twice."""
    for pause in PAUSES_SECONDS:
        try:
            return database.write(work)
        except database.Failure as error:
            if not database.is_away(error):
                raise
            time.sleep(pause)
    return database.write(work)


# workers ------------------------------------------------------------------------------------------------------


def _let_workers_follow(span: Span) -> None:
    """Wait for the workers: a webhook that arrives meanwhile would wait until all imported events are handled."""
    deadline = time.monotonic() + FOLLOW_SECONDS_MAX
    while _pending(span) > AHEAD_MAX and health.workers() and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)


def wait(brought: Brought, span: Span, *, on_handled: OnProgress) -> bool:
    """Wait until the new events are handled. Return False if no worker runs."""
    waiting, moved_at = brought.new, time.monotonic()
    while waiting:
        asked_at = time.monotonic()
        left = _pending(span)
        if left < waiting:
            on_handled(waiting - left)
            moved_at = time.monotonic()
        elif time.monotonic() - moved_at > NOBODY_SECONDS_MAX and not health.workers():
            return False
        waiting = left
        time.sleep(max(PAUSE_SECONDS, LOOKS_SELDOM * (time.monotonic() - asked_at)) if left else 0)
    return True


def _pending(span: Span) -> int:
    return database.read(lambda connection: imports.pending(connection, span))
