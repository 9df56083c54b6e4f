"""Users: a person's applicants in all vendors, page by page, and who approves or blocks. Restricted applicants are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, String, and_, case, cast, func, or_, select

from store.applicants import table
from store.applicants.table import Applicant
from store.database.tables import ApplicantRow
from store.text.names import NAME_CHARS_MAX

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]

#: An applicant's place in the list of a user: its vendor, the first event received that named it, its reference.
Place = tuple[Name, Annotated[int, Meta(ge=0, le=2**63 - 1)], Name]

_first: ColumnElement[int] = func.coalesce(ApplicantRow.first_sequence, 0)


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor that knows the user: the status of its newest verification, and whether any names a hit."""

    vendor: str
    newest_status: str
    has_hits: bool


def vendors(connection: Connection, external_user_id: str, *, environment: str) -> list[Vendor]:
    """Return the vendors that know a user, by name."""
    mine = _of(external_user_id, environment)
    hits = func.max(case((cast(ApplicantRow.hits, String) != "[]", 1), else_=0)).label("hits")
    found = connection.execute(select(ApplicantRow.vendor, hits).where(mine).group_by(ApplicantRow.vendor).order_by(ApplicantRow.vendor))
    return [
        Vendor(vendor=row.vendor, newest_status=_newest_status(connection, mine, row.vendor), has_hits=bool(row.hits))
        for row in found.all()
    ]


def applicants_of(
    connection: Connection, external_user_id: str, *, environment: str, after: Place | None = None, limit: int
) -> list[Applicant]:
    """Return applicants of a user, by vendor, the newest verification first, after a place in that order."""
    query = select(*table.SHOWN).where(_of(external_user_id, environment))
    if after:
        vendor, first, reference = after
        later = or_(_first < first, and_(_first == first, ApplicantRow.reference > reference))
        query = query.where(or_(ApplicantRow.vendor > vendor, and_(ApplicantRow.vendor == vendor, later)))
    rows = connection.execute(query.order_by(ApplicantRow.vendor, _first.desc(), ApplicantRow.reference).limit(limit))
    return [table.from_row(row) for row in rows]


def _of(external_user_id: str, environment: str) -> ColumnElement[bool]:
    query = {"environment": environment, "external_user_id": external_user_id}
    mine = (getattr(ApplicantRow, name) == value for name, value in query.items())
    return and_(ApplicantRow.version > 0, ApplicantRow.restricted.is_(False), *mine)


def _newest_status(connection: Connection, mine: ColumnElement[bool], vendor: str) -> str:
    query = select(ApplicantRow.status).where(mine, ApplicantRow.vendor == vendor).order_by(_first.desc(), ApplicantRow.reference)
    return connection.execute(query.limit(1)).scalar_one()
