"""Reconciliation runs: which applicants a vendor is asked about, and which process asks. One process at a time asks a vendor."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Update, delete, func, or_, select, update

from store import database
from store.applicants import erased
from store.database.columns import page
from store.database.restriction import names_restricted
from store.database.tables import ApplicantRow, EventRow
from store.database.vendor_tables import Reconciliation, ReconciliationFinding
from store.system import clock
from store.text.states import ApplicantKey, Status

#: A process that asks and has recorded nothing for so long counts as crashed. A vendor may have it wait for minutes for an answer.
SILENCE_MAX = timedelta(minutes=15)

#: A round that did not come to its end is due again after so long.
AGAIN_AFTER = timedelta(minutes=15)

#: The statuses of an applicant that the vendor still has to decide about.
OPEN = (Status.CREATED, Status.IN_REVIEW, Status.ON_HOLD, Status.AWAITING_APPLICANT)


#: The process that is recorded for a run that no process can make, and why it ended.
NO_RUNNER = "none"
NO_CREDENTIALS = "no worker has the credentials of this vendor's API for this environment (docs/settings.md)"

NO_COUNTS = {"asked": 0, "drifted": 0, "repaired": 0}


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


def take(
    connection: Connection, vendor: str, environment: str, *, runner: str, due_before: datetime | None = None,
    actor: str | None = None, repairs: bool = False, is_round: bool = True, is_wanted: bool = False,
) -> bool:  # fmt: skip
    """Become the process that asks a vendor, and forget what the last run found. Return False if another process asks; if a run of all
    that began since `due_before` has ended; or, with `is_wanted`, if the run that somebody asked for has ended."""
    _insert(connection, vendor, environment)
    now = clock.now()
    mine = _row(vendor, environment).where(_is_free())
    if is_wanted:
        mine = mine.where(Reconciliation.wanted.is_not(None))
    if due_before is not None:
        unfinished = or_(
            Reconciliation.ended_at.is_(None), Reconciliation.said.is_not(None) & (Reconciliation.ended_at < now - AGAIN_AFTER)
        )
        mine = mine.where(or_(func.coalesce(Reconciliation.round_at, Reconciliation.begun_at) < due_before, unfinished))
    begun: dict[str, Any] = {"runner": runner, "seen_at": now, "begun_at": now, "ended_at": None, "said": None}
    begun |= {"actor": actor, "repairs": repairs, "round_at": now if is_round else func.coalesce(Reconciliation.round_at, clock.EPOCH)}
    taken = connection.execute(mine.values(**begun, **NO_COUNTS)).rowcount == 1
    if taken:
        connection.execute(delete(ReconciliationFinding).where(*_of(vendor, environment)))
    return taken


def tell(connection: Connection, vendor: str, environment: str, *, runner: str, ended: bool = False, **values: Any) -> bool:
    """Record the progress or the end of a run. Return False if another process took over."""
    now, mine = clock.now(), _row(vendor, environment).where(Reconciliation.runner == runner)
    return connection.execute(mine.values(seen_at=now, ended_at=now if ended else None, **values)).rowcount == 1


def runs(connection: Connection, environment: str) -> list[Row[Any]]:
    """Return the last run of each vendor that was ever asked."""
    query = select(Reconciliation.__table__).where(Reconciliation.environment == environment, Reconciliation.runner != "")
    return list(connection.execute(query.order_by(Reconciliation.vendor)).all())


def _insert(connection: Connection, vendor: str, environment: str) -> None:
    """Make the row of a vendor that was never asked, if there is none."""
    never = {"runner": "", "seen_at": clock.EPOCH, "begun_at": clock.EPOCH, "ended_at": clock.EPOCH}
    first = database.insert(Reconciliation).values(vendor=vendor, environment=environment, **never, **NO_COUNTS)
    connection.execute(first.on_conflict_do_nothing())


def _row(vendor: str, environment: str) -> Update:
    return update(Reconciliation).where(Reconciliation.vendor == vendor, Reconciliation.environment == environment)


def _of(vendor: str, environment: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ReconciliationFinding.vendor == vendor, ReconciliationFinding.environment == environment


def _is_free() -> ColumnElement[bool]:
    """Return the condition that no process asks the vendor."""
    return or_(Reconciliation.ended_at.is_not(None), Reconciliation.seen_at < clock.now() - SILENCE_MAX)


# runs that somebody asked for ---------------------------------------------------------------------------------


class State(StrEnum):
    """How far a vendor's reconciliation is."""

    #: Somebody asked for a run, and a worker is to begin it.
    REQUESTED = "requested"
    RUNNING = "running"
    #: The process that asked was not heard of for `SILENCE_MAX`.
    INTERRUPTED = "interrupted"
    ENDED = "ended"


class Wanted(Struct, frozen=True, kw_only=True):
    """A run that somebody asked for: about named applicants, those concerned since a time, or those that a scheduled run asks about."""

    by: str
    at: datetime
    reason: str
    repair: bool
    changes_max: int
    references: tuple[str, ...] = ()
    since: datetime | None = None


def request(connection: Connection, vendor: str, environment: str, wanted: Wanted) -> bool:
    """Ask for a run. Return False while one runs, or is asked for."""
    _insert(connection, vendor, environment)
    mine = _row(vendor, environment).where(_is_free(), Reconciliation.wanted.is_(None))
    return connection.execute(mine.values(wanted=msgspec.to_builtins(wanted))).rowcount == 1


def wanted(connection: Connection, vendor: str, environment: str) -> Wanted | None:
    """Return the run of a vendor that somebody asked for, and that no process has begun; None if there is none."""
    query = select(Reconciliation.wanted).where(Reconciliation.vendor == vendor, Reconciliation.environment == environment)
    found = connection.execute(query.where(Reconciliation.wanted.is_not(None), _is_free())).scalar_one_or_none()
    return msgspec.convert(found, Wanted) if found else None


def untaken(connection: Connection, *, before: datetime) -> list[tuple[str, str]]:
    """Return the vendors and environments whose run somebody asked for, and no process has begun since a time."""
    rows = connection.execute(select(Reconciliation.__table__).where(Reconciliation.wanted.is_not(None), _is_free())).all()
    return [(row.vendor, row.environment) for row in rows if _takeable_since(row) < before]


def _takeable_since(row: Row[Any]) -> datetime:
    free_since: datetime = row.ended_at or row.seen_at + SILENCE_MAX
    return max(msgspec.convert(row.wanted, Wanted).at, free_since)


def refuse(connection: Connection, vendor: str, environment: str) -> None:
    """End a run that somebody asked for, because no process can make it."""
    asked = wanted(connection, vendor, environment)
    if asked is None:
        return
    taken = take(
        connection, vendor, environment, runner=NO_RUNNER, actor=asked.by, repairs=asked.repair, is_round=False, is_wanted=True
    )  # fmt: skip
    if taken:
        tell(connection, vendor, environment, runner=NO_RUNNER, ended=True, wanted=None, said=NO_CREDENTIALS)


def overview(connection: Connection, environment: str) -> list[dict[str, Any]]:
    """Return the last run of each vendor as it is shown, and the run that somebody asked for."""
    known = or_(Reconciliation.runner != "", Reconciliation.wanted.is_not(None))
    query = select(Reconciliation.__table__).where(Reconciliation.environment == environment, known)
    return [_describe(row) for row in connection.execute(query.order_by(Reconciliation.vendor))]


def _describe(row: Row[Any]) -> dict[str, Any]:
    asked, runs_now = msgspec.convert(row.wanted, Wanted) if row.wanted else None, row.ended_at is None
    is_silent, was_asked = row.seen_at < clock.now() - SILENCE_MAX, row.runner != ""
    state = (State.INTERRUPTED if is_silent else State.RUNNING) if runs_now else State.REQUESTED if asked else State.ENDED
    told = {name: row._mapping[name] for name in ("vendor", "environment", "actor", "repairs", *NO_COUNTS, "said")}
    moments = {name: clock.rfc3339(row._mapping[name]) if was_asked else None for name in ("begun_at", "seen_at", "ended_at")}
    return told | moments | {"state": state, "wanted": _describe_wanted(asked) if asked else None}


def _describe_wanted(asked: Wanted) -> dict[str, Any]:
    told = {"by": asked.by, "at": clock.rfc3339(asked.at), "repair": asked.repair, "changes_max": asked.changes_max}
    return told | {"references": len(asked.references), "since": clock.rfc3339(asked.since)}


# findings -----------------------------------------------------------------------------------------------------


def keep_finding(connection: Connection, key: ApplicantKey, **values: Any) -> None:
    """Keep what a run found about an applicant, until the next run. Nothing is kept of one that was erased."""
    if erased.admitted(connection, [key]):
        found = database.insert(ReconciliationFinding).values(**key._asdict(), found_at=clock.now(), **values)
        connection.execute(found.on_conflict_do_nothing())


def findings(
    connection: Connection, vendor: str, environment: str, *, with_restricted: bool = False, after: tuple[str] | None = None, limit: int
) -> list[Row[Any]]:
    """Return what the last run of a vendor found, in the order of the references. Restricted applicants are left out, unless
    `with_restricted`."""
    query = select(ReconciliationFinding.__table__).where(*_of(vendor, environment))
    if not with_restricted:
        query = query.where(~names_restricted(ReconciliationFinding))
    return list(connection.execute(page(query, ReconciliationFinding.reference, after=after, limit=limit)).all())


def describe_finding(row: Row[Any]) -> dict[str, Any]:
    """Return a finding as it is shown."""
    return dict(row._mapping) | {name: clock.rfc3339(row._mapping[name]) for name in ("found_at", "ours_since", "theirs_since")}
