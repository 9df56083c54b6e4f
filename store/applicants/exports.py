"""Exports: the wanted applicants and changes, counted, then page by page. Each page begins after the key that ended the last one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from store.applicants import feed
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database.tables import ApplicantRow, TransitionRow


@dataclass(frozen=True, kw_only=True)
class ExportFilter:
    """What is wanted: every condition that is given must hold."""

    environment: str
    vendor: str | None = None
    #: The current status of an applicant, or the status after a change.
    status: str | None = None
    #: Changed, or told, at this moment or later.
    since: datetime | None = None


def count_applicants(connection: Connection, wanted: ExportFilter) -> int:
    """Return how many applicants match."""
    return connection.execute(select(func.count()).select_from(ApplicantRow).where(*_applicants(wanted))).scalar_one()


def applicants_after(connection: Connection, wanted: ExportFilter, *, vendor: str, reference: str, limit: int) -> list[Applicant]:
    """Return matching applicants of one vendor in the order of their references, after a reference."""
    # One vendor at a time, so that the table's own key is walked along, however much of it is not wanted.
    mine = (ApplicantRow.vendor == vendor, ApplicantRow.reference > reference)
    query = select(ApplicantRow.__table__).where(*_applicants(wanted), *mine).order_by(ApplicantRow.reference)
    return [applicants.from_row(row) for row in connection.execute(query.limit(limit))]


def count_changes(connection: Connection, wanted: ExportFilter, *, last: int) -> int:
    """Return how many changes match, up to a number."""
    return connection.execute(select(func.count()).select_from(TransitionRow).where(*_changes(wanted, last))).scalar_one()


def changes_after(connection: Connection, wanted: ExportFilter, *, number: int, last: int, limit: int) -> list[Row[Any]]:
    """Return matching changes, oldest first, after a number and up to another."""
    query = feed.ENTRIES.where(*_changes(wanted, last), TransitionRow.number > number)
    return list(connection.execute(query.order_by(TransitionRow.number).limit(limit)).all())


def _applicants(wanted: ExportFilter) -> list[ColumnElement[bool]]:
    conditions = [ApplicantRow.environment == wanted.environment, ApplicantRow.version > 0, ApplicantRow.restricted.is_(False)]
    if wanted.vendor:
        conditions.append(ApplicantRow.vendor == wanted.vendor)
    if wanted.status:
        conditions.append(ApplicantRow.status == wanted.status)
    if wanted.since:
        conditions.append(ApplicantRow.updated_at >= wanted.since)
    return conditions


def _changes(wanted: ExportFilter, last: int) -> list[ColumnElement[bool]]:
    conditions = [TransitionRow.environment == wanted.environment, TransitionRow.number <= last]
    if wanted.vendor:
        conditions.append(TransitionRow.vendor == wanted.vendor)
    if wanted.status:
        conditions.append(TransitionRow.to_status == wanted.status)
    if wanted.since:
        conditions.append(TransitionRow.at >= wanted.since)
    return conditions
