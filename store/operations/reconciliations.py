"""Reconciliation runs: which applicants a vendor is asked about, and which process asks. One process at a time asks a vendor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from store import database
from store.database.operations_tables import Reconciliation
from store.database.tables import ApplicantRow, EventRow
from store.system import clock
from store.text.states import Status

#: Who asks and is not heard of for so long is taken for dead. A vendor may have it wait for minutes between two of its answers.
SILENCE_MAX = timedelta(minutes=15)

#: A round that did not come to its end is due again after so long.
AGAIN_AFTER = timedelta(minutes=15)

#: The statuses of an applicant that the vendor still has to decide about.
OPEN = (Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT)


class ApplicantFilter(Struct, frozen=True, kw_only=True):
    """Which of a vendor's applicants are asked about: the named ones, or all that match the given conditions."""

    references: tuple[str, ...] = ()
    #: Still open, and nothing was heard since.
    silent_since: datetime | None = None
    #: Applicants that a webhook lost since then may be about: approved or still open, or changed since.
    concerned_since: datetime | None = None


def references(connection: Connection, vendor: str, environment: str, chosen: ApplicantFilter, *, after: str, limit: int) -> list[str]:
    """Return matching applicants in the order of their references, after a reference."""
    query = select(ApplicantRow.reference).where(ApplicantRow.vendor == vendor, ApplicantRow.environment == environment)
    query = query.where(ApplicantRow.version > 0, ApplicantRow.reference > after, *_conditions(chosen))
    return list(connection.execute(query.order_by(ApplicantRow.reference).limit(limit)).scalars())


def count(connection: Connection, vendor: str, environment: str, chosen: ApplicantFilter) -> int:
    """Return how many applicants match."""
    query = select(func.count()).where(ApplicantRow.vendor == vendor, ApplicantRow.environment == environment, ApplicantRow.version > 0)
    return connection.execute(query.where(*_conditions(chosen))).scalar_one()


def newest_event(connection: Connection) -> int:
    """Return the sequence number of the newest event; 0 if there is none."""
    return connection.execute(select(func.max(EventRow.sequence))).scalar_one() or 0


def _conditions(chosen: ApplicantFilter) -> list[ColumnElement[bool]]:
    still_open = ApplicantRow.status.in_(OPEN)
    conditions: list[ColumnElement[bool]] = []
    if chosen.references:
        conditions.append(ApplicantRow.reference.in_(chosen.references))
    if chosen.silent_since is not None:
        conditions += [still_open, ApplicantRow.updated_at < chosen.silent_since]
    if chosen.concerned_since is not None:
        conditions.append(or_(still_open, ApplicantRow.status == Status.APPROVED, ApplicantRow.updated_at >= chosen.concerned_since))
    return conditions


# one process at a time ----------------------------------------------------------------------------------------


def take(connection: Connection, vendor: str, environment: str, *, runner: str, due_before: datetime | None = None) -> bool:
    """Become the process that asks a vendor. Return False if another one does, or if a run that began since `due_before` has ended."""
    now = clock.now()
    never = {"runner": "", "seen_at": clock.EPOCH, "begun_at": clock.EPOCH, "ended_at": clock.EPOCH}
    counts = {"asked": 0, "drifted": 0, "repaired": 0}
    first = database.insert(Reconciliation).values(vendor=vendor, environment=environment, **never, **counts)
    connection.execute(first.on_conflict_do_nothing())
    free = or_(Reconciliation.ended_at.is_not(None), Reconciliation.seen_at < now - SILENCE_MAX)
    mine = update(Reconciliation).where(Reconciliation.vendor == vendor, Reconciliation.environment == environment, free)
    if due_before is not None:
        unfinished = or_(
            Reconciliation.ended_at.is_(None), Reconciliation.said.is_not(None) & (Reconciliation.ended_at < now - AGAIN_AFTER)
        )
        mine = mine.where(or_(Reconciliation.begun_at < due_before, unfinished))
    begun = {"runner": runner, "seen_at": now, "begun_at": now, "ended_at": None, "said": None}
    return connection.execute(mine.values(**begun, **counts)).rowcount == 1


def tell(connection: Connection, vendor: str, environment: str, *, runner: str, ended: bool = False, **counts: Any) -> bool:
    """Record the progress or the end of a run. Return False if another process took over."""
    mine = update(Reconciliation).where(
        Reconciliation.vendor == vendor, Reconciliation.environment == environment, Reconciliation.runner == runner
    )
    now = clock.now()
    return connection.execute(mine.values(seen_at=now, ended_at=now if ended else None, **counts)).rowcount == 1


def runs(connection: Connection, environment: str) -> list[Row[Any]]:
    """Return the last run of each vendor that was ever asked."""
    query = select(Reconciliation.__table__).where(Reconciliation.environment == environment, Reconciliation.runner != "")
    return list(connection.execute(query.order_by(Reconciliation.vendor)).all())
