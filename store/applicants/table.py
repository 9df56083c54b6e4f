"""The applicants: one row for each vendor's reference. Workers change it, and the API reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from msgspec import Struct, field, structs
from sqlalchemy import ColumnElement, Connection, Row, literal_column, select, tuple_

from store.database import bulk
from store.database.columns import holds_word, page
from store.database.tables import ApplicantRow
from store.system import clock
from store.text.states import HITS, ApplicantKey, Flag, Status

KEYS_MAX = 500

_KEY = (ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)

#: Columns that the contract does not show.
_OUR_OWN = ("grounds", "objections", "registers", "linked_user_id", "first_sequence", "status_since")

#: Columns that a reader needs. What the rules remember of many events is much, and takes long to read.
SHOWN = tuple(column for column in ApplicantRow.__table__.c if column.name not in ("registers", "objections"))

NOTHING_CHECKED: dict[str, str | None] = {"document": None, "face": None, "additional_steps": None}


class Applicant(Struct, frozen=True, kw_only=True):
    """The current state of an applicant. Version 0: not shown to any caller yet."""

    vendor: str
    environment: str
    reference: str
    external_user_id: str | None = None
    status: Status = Status.CREATED
    final: bool = False
    provisional: Status | None = None
    vendor_status: str | None = None
    may_retry: bool | None = None
    reasons: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=lambda: dict(NOTHING_CHECKED))
    user_message: str | None = None
    #: What to send again, as the vendor's API tells it; never more than the verdict that is shown asks for.
    problem_documents: list[dict[str, Any]] = field(default_factory=list)
    level: str | None = None
    last_verdict: dict[str, Any] | None = None
    #: What a person decided last, and whether that stands.
    decision: dict[str, Any] | None = None
    #: The date on which the document runs out, as `YYYY-MM-DD`, where KEEP_EXPIRY keeps it.
    document_expires_on: str | None = None
    ever_approved: bool = False
    as_of: datetime | None = None
    updated_at: datetime
    version: int = 0
    last_event_id: str | None = None
    grounds: list[dict[str, str]] = field(default_factory=list)
    #: What speaks against an approval: each event, and the hits that it names.
    objections: list[dict[str, Any]] = field(default_factory=list)
    registers: dict[str, Any] = field(default_factory=dict)
    linked_user_id: str | None = None
    first_sequence: int | None = None
    #: An erasure was refused, and until it is due only privacy officers may look.
    restricted: bool = False
    #: Since when it has its status; None: unknown.
    status_since: datetime | None = None

    @property
    def key(self) -> ApplicantKey:
        return ApplicantKey(self.vendor, self.environment, self.reference)


# what workers change ------------------------------------------------------------------------------------------


def lock(connection: Connection, keys: Iterable[ApplicantKey]) -> dict[ApplicantKey, Applicant]:
    """Lock applicants, in the order that all transactions use. An unknown one gets a row first, so that two first events cannot miss
    each other."""
    locked: dict[ApplicantKey, Applicant] = {}
    for some in bulk.parts(sorted(set(keys)), KEYS_MAX):
        there = set(map(ApplicantKey._make, connection.execute(select(*_KEY).where(bulk.of_applicants(ApplicantRow, some))).all()))
        newcomers = {key: unknown(key) for key in some if key not in there}
        rows = [_row(applicant) for applicant in newcomers.values()]
        came = bulk.insert(connection, ApplicantRow, rows, over=ApplicantKey._fields, change=bulk.LEAVE, returning=ApplicantKey._fields)
        locked |= {key: newcomers[key] for key in map(ApplicantKey._make, came)}
        known = [key for key in some if key not in locked]
        if known:
            query = select(ApplicantRow.__table__).where(bulk.of_applicants(ApplicantRow, known)).order_by(*_KEY).with_for_update()
            locked |= {applicant.key: applicant for applicant in map(from_row, connection.execute(query).all())}
    return locked


def save(connection: Connection, applicants: Iterable[Applicant]) -> None:
    """Write applicants that are locked."""
    bulk.insert(connection, ApplicantRow, [_row(applicant) for applicant in applicants], over=ApplicantKey._fields)


def _row(applicant: Applicant) -> dict[str, Any]:
    """Return the row of an applicant."""
    return structs.asdict(applicant) | {"status_since_version": applicant.version if applicant.status_since else None}


# what the API reads -------------------------------------------------------------------------------------------


def find(connection: Connection, key: ApplicantKey) -> Applicant | None:
    """Return the applicant if it is known."""
    return _find(connection, key, ApplicantRow.__table__.c)


def find_shown(connection: Connection, key: ApplicantKey) -> Applicant | None:
    """Return the applicant if it is known, without registers and objections."""
    return _find(connection, key, SHOWN)


def _find(connection: Connection, key: ApplicantKey, columns: Iterable[ColumnElement[Any]]) -> Applicant | None:
    query = select(*columns).where(bulk.of_applicants(ApplicantRow, [key]), ApplicantRow.version > 0)
    row = connection.execute(query).one_or_none()
    return from_row(row) if row else None


def among(connection: Connection, keys: Collection[ApplicantKey]) -> dict[ApplicantKey, Applicant]:
    """Return those of the applicants that have a row, known or not."""
    found = map(from_row, connection.execute(select(ApplicantRow.__table__).where(bulk.of_applicants(ApplicantRow, keys))).all())
    return {applicant.key: applicant for applicant in found}


def keys_after(connection: Connection, last: ApplicantKey | None, *, limit: int) -> list[ApplicantKey]:
    """Return the keys of applicants that have a row, in their order, after a key."""
    query = select(*_KEY).order_by(*_KEY).limit(limit)
    if last is not None:
        query = query.where(tuple_(*_KEY) > tuple_(*last))
    return [ApplicantKey(*row) for row in connection.execute(query)]


def listing(
    connection: Connection,
    *,
    environment: str,
    keys: Collection[ApplicantKey] = (),
    external_user_id: str | None = None,
    vendor: str | None = None,
    status: str | None = None,
    hit: str | None = None,
    flag: str | None = None,
    updated_after: datetime | None = None,
    updated_before: datetime | None = None,
    since: datetime | None = None,
    expiring_by: date | None = None,
    after: tuple[datetime, str, str] | None = None,
    newest_first: bool = False,
    where: Sequence[ColumnElement[bool]] = (),
    limit: int,
) -> list[Applicant]:
    """Return applicants in the order of their last change, or the last changed first, after a place in that order. Without registers and
    objections, and without restricted applicants.

    `keys`: of these alone, in whichever environment they are. `since`: those that changed at that time or later. `expiring_by`: those whose
    document runs out on that day, or ran out before."""
    # Keys hold the environment, too. Named beside them, it would lead along an index that is in the order of the list.
    among = bulk.of_applicants(ApplicantRow, keys) if keys else ApplicantRow.environment == environment
    query = select(*SHOWN).where(among, ApplicantRow.version > 0, ApplicantRow.restricted.is_(False), *where)
    if external_user_id is not None:
        query = query.where(ApplicantRow.external_user_id == external_user_id)
    if vendor:
        query = query.where(ApplicantRow.vendor == vendor)
    if status:
        query = query.where(ApplicantRow.status == status)
    for column, word in (("hits", hit and HITS[HITS.index(hit)]), ("flags", flag and Flag(flag))):
        if word:
            # Written out, not bound: a database uses a partial index only where it can see that its condition holds.
            query = query.where(literal_column(holds_word(column, word)))
    if expiring_by:
        query = query.where(ApplicantRow.document_expires_on.is_not(None), ApplicantRow.document_expires_on <= expiring_by.isoformat())
    if updated_after:
        query = query.where(ApplicantRow.updated_at > updated_after)
    if updated_before:
        query = query.where(ApplicantRow.updated_at < updated_before)
    if since:
        query = query.where(ApplicantRow.updated_at >= since)
    order = (ApplicantRow.updated_at, ApplicantRow.vendor, ApplicantRow.reference)
    return [from_row(row) for row in connection.execute(page(query, *order, after=after, newest_first=newest_first, limit=limit))]


def describe(applicant: Applicant) -> dict[str, Any]:
    """Return an applicant as the contract shows it."""
    told = {name: value for name, value in structs.asdict(applicant).items() if name not in _OUR_OWN}
    return told | {"as_of": clock.rfc3339(applicant.as_of), "updated_at": clock.rfc3339(applicant.updated_at)}


def unknown(key: ApplicantKey) -> Applicant:
    """Return an applicant that is not known yet."""
    return Applicant(vendor=key.vendor, environment=key.environment, reference=key.reference, updated_at=clock.now())


def from_row(row: Row[Any]) -> Applicant:
    """Return an applicant from its row."""
    values = dict(row._mapping)
    if values.pop("status_since_version") != values["version"]:
        values["status_since"] = None
    return Applicant(
        **values | {"status": Status(values["status"]), "provisional": values["provisional"] and Status(values["provisional"])}
    )
