"""Export: applicants, or the changes of the feed, as JSON lines like the API's, or as CSV for a spreadsheet.

It works page by page, so that a million rows take the memory of one page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

import msgspec
from sqlalchemy import Connection

from handlers.vendors import VENDORS
from store import database
from store.access import audit
from store.applicants import exports, feed
from store.applicants import table as applicants
from store.applicants.exports import ExportFilter
from store.operations import review_queue
from store.operations.review_queue import Narrowed, Waiting
from store.privacy import shown
from store.system import clock
from store.text import safe_text
from store.text.states import ApplicantKey

PAGE = 500

#: What the columns of a CSV are: the fields of the API, in its order.
APPLICANT_COLUMNS = (*applicants.describe(applicants.unknown(ApplicantKey("", "", ""))), "keep_until")
CHANGE_COLUMNS = (
    "cursor", "type", "vendor", "environment", "reference", "from", "to", "reversal", "changed", "reasons", "event_id", "as_of", "at",
    "code_version", "applicant", "external_user_id", "erasure_id",
)  # fmt: skip

REVIEW_COLUMNS = (
    "since", "waiting_minutes", "claimed_by", "claimed_at", "what", "name", "vendor", "environment", "reference", "status", "why",
    "event_id", "reaction_id",
)  # fmt: skip

Page = list[dict[str, Any]]


def begin_applicants(wanted: ExportFilter) -> tuple[int, Iterator[Page]]:
    """Return the number of matching applicants, and the applicants by vendor and reference. The audit log records who asked.

    Each comes once, as it is when its page is read."""
    with database.begin() as connection:
        count = exports.count_applicants(connection, wanted)
        _record(connection, "applicants", wanted, count)
    return count, _applicants(wanted)


def begin_changes(wanted: ExportFilter) -> tuple[int, Iterator[Page]]:
    """Return the number of matching changes, and the changes in the feed's order, up to its end now. The audit log records who asked."""
    with database.begin() as connection:
        epoch, last = feed.position(connection, "latest")
        count = exports.count_changes(connection, wanted, last=last)
        _record(connection, "changes", wanted, count)
    return count, _changes(wanted, epoch, last)


def begin_review(environment: str, until: datetime | None) -> tuple[int, Iterator[Page]]:
    """Return all that waits for a person, the oldest first, page by page, and its number. The audit log records who asked.

    `until`: what has waited since then or longer."""
    found = database.read(lambda connection: _all_waiting(connection, environment, Narrowed(until=until)))
    subject = f"review, {environment}"
    database.write(lambda connection: audit.record(connection, action="export", subject=subject, touched=len(found)))
    return len(found), iter([found])


def _all_waiting(connection: Connection, environment: str, wanted: Narrowed) -> Page:
    found: list[Waiting] = []
    while page := review_queue.listing(
        connection, environment=environment, wanted=wanted, after=found[-1].place if found else None, limit=PAGE
    ):
        found += page
    return [review_queue.describe(one) for one in found]


def write(pages: Iterable[Page], out: BinaryIO, *, columns: Sequence[str] | None, on_rows: Callable[[int], None]) -> None:
    """Write pages as CSV with these columns, empty where a row lacks one; without any, as JSON lines."""
    if columns:
        out.write(_as_csv([columns]))
    for page in pages:
        out.write(_as_csv([_cell(row.get(name)) for name in columns] for row in page) if columns else _as_lines(page))
        on_rows(len(page))
    out.flush()


def _applicants(wanted: ExportFilter) -> Iterator[Page]:
    for vendor in [wanted.vendor] if wanted.vendor else sorted(VENDORS):
        last = ""
        while found := _read(exports.applicants_after, wanted, vendor=vendor, reference=last, limit=PAGE):
            yield database.read(partial(shown.describe_all, found=found))
            last = found[-1].reference


def _changes(wanted: ExportFilter, epoch: str, last: int) -> Iterator[Page]:
    number = 0
    while found := _read(exports.changes_after, wanted, number=number, last=last, limit=PAGE):
        yield [feed.describe_entry(row, epoch) for row in found]
        number = found[-1].number


def _read(look: Callable[..., list[Any]], wanted: ExportFilter, **place: Any) -> list[Any]:
    return database.read(lambda connection: look(connection, wanted, **place))


def _record(connection: Connection, what: str, wanted: ExportFilter, count: int) -> None:
    limits = (wanted.environment, wanted.vendor, wanted.status, wanted.since and f"since {clock.rfc3339(wanted.since)}")
    subject = ", ".join([what, *(limit for limit in limits if limit)])
    audit.record(connection, action="export", subject=subject, touched=count)


def _as_lines(page: Page) -> bytes:
    return "".join(f"{safe_text.as_json(row)}\n" for row in page).encode()


def _as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """Return a value for a cell, which no spreadsheet takes for a formula: lists with spaces between the words, objects as JSON."""
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return safe_text.for_a_sheet(" ".join(value))
    if isinstance(value, bool | list | dict):
        return safe_text.for_a_sheet(msgspec.json.encode(value).decode())
    return safe_text.for_a_sheet(value)
