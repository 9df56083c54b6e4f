"""Requests: somebody asks for an erasure, and another person approves or refuses it.

`requested` → `approved` → `done`, or `requested` → `refused` → `due` → `done`."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, select, update

from store.access.operators import Actor
from store.applicants import erased, feed, visibility
from store.applicants import table as applicants
from store.database.privacy_tables import Erasure
from store.privacy import acts, holds
from store.privacy.acts import Action, DataSubject
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.errors import NotPossible, UnknownToUs
from store.privacy.keeping import periods
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey

#: Vendors whose news carries the time of the vendor's clock. Of others it cannot be said whether news is of before an erasure.
WITH_A_CLOCK = ("idngo", "ifcgate")

#: So far ahead of ours may the clock be of who noted when a request came in.
AHEAD_MAX = timedelta(days=1)


def request(connection: Connection, subject: DataSubject, *, by: Actor, reason: str, received_at: datetime) -> tuple[dict[str, Any], bool]:
    """Write down a request; return it as it is shown, and whether it is new: an open one for the same is returned instead.

    Its deadline is one month after it was received. Raises NotPossible if that lies in the future, and NoIndexKey."""
    if received_at > clock.now() + AHEAD_MAX:
        raise NotPossible("received_at lies in the future")
    acts.take_turn(connection)
    is_open = (Erasure.subject == subject.digest, Erasure.status != Stage.DONE)
    row = connection.execute(select(Erasure.__table__).where(*is_open).order_by(Erasure.id).limit(1)).one_or_none()
    if row is not None:
        return describe(row), False
    times = {"received_at": received_at, "deadline": a_month_after(received_at)}
    made = erasures.create(connection, subject, stage=Stage.REQUESTED, cause=Cause.REQUEST, by=by.name, reason=reason, **times)
    acts.record(connection, Action.REQUEST, subject, by=by, reason=reason)
    return describe(find(connection, made)), True


def approve(
    connection: Connection,
    erasure_id: str,
    *,
    by: Actor,
    reason: str,
    basis: str | None = None,
    early: bool = False,
    with_vendor: bool = False,
) -> dict[str, Any]:
    """Approve a request of another person; return it as it is shown. Raises UnknownToUs, SamePerson and NotPossible.

    It is not possible while a hold is on one of the applicants, nor, unless `early` with a basis, before the period of each is over. With
    `early` a refused one can be approved, too, as long as it is not carried out."""
    row = _undecided(connection, erasure_id, by, *([Stage.REFUSED, Stage.DUE] if early else []))
    if row.targets is not None:
        raise NotPossible("it is carried out already")
    keys = erasures.applicants_of(connection, DataSubject.of_row(row))
    if holds.on(connection, row.environment, keys, row.external_user_id):
        raise NotPossible("a hold is on it")
    if early and not (basis or "").strip():
        raise NotPossible("an erasure before its time needs a basis")
    if not early:
        _check_is_over(connection, keys)
    given = {"basis": basis, "early": early, "with_vendor": with_vendor}
    return _decide(connection, row, Action.APPROVE, by=by, reason=reason, status=Stage.APPROVED, **given)


def refuse(
    connection: Connection,
    erasure_id: str,
    *,
    by: Actor,
    reason: str,
    basis: str | None = None,
    until: datetime | None = None,
    restrict: bool = False,
) -> dict[str, Any]:
    """Refuse a request of another person until a time; return it as it is shown. Raises UnknownToUs, SamePerson and NotPossible.

    `until` defaults to the end of the longest period of the applicants; where there is none, it is refused for good. At `until` it is due,
    as far as no hold is on it and no relationship goes on. `restrict`: until then only privacy officers may look at the applicants."""
    row = _undecided(connection, erasure_id, by)
    keys = erasures.applicants_of(connection, DataSubject.of_row(row))
    until = until or _longest(connection, keys)
    if until is not None and until <= clock.now():
        raise NotPossible("the time until which it is refused is over")
    if restrict:
        _restrict(connection, keys)
    given = {"basis": basis, "until": until, "restricted": restrict}
    return _decide(connection, row, Action.REFUSE, by=by, reason=reason, status=Stage.REFUSED, **given)


def readmit(connection: Connection, erasure_id: str, *, by: Actor, reason: str | None) -> dict[str, Any]:
    """Let erased applicants begin again, with news of the vendor's clock from now on; return the erasure as it is shown.

    Raises UnknownToUs, and NotPossible if it is not done, or if none of them is fenced whose vendor has a clock."""
    row = find(connection, erasure_id, lock=True)
    if row.status != Stage.DONE:
        raise NotPossible("it is not done")
    count = erased.readmit(connection, erasure_id, WITH_A_CLOCK)
    if not count:
        raise NotPossible("no fence of it can be opened: its vendor gives no time of its own, or it was readmitted")
    acts.record_other(connection, Action.READMIT, f"erasure {erasure_id}", by=by, reason=reason, touched=count)
    return describe(row)


# what is read -------------------------------------------------------------------------------------------------


def find(connection: Connection, erasure_id: str, *, lock: bool = False) -> Row[Any]:
    """Return an erasure's row. Raises UnknownToUs."""
    row = erasures.find(connection, erasure_id, lock=lock)
    if row is None:
        raise UnknownToUs("no erasure has this id")
    return row


def listing(
    connection: Connection,
    *,
    environment: str,
    status: str | None = None,
    since: datetime | None = None,
    about: Mapping[str, str] = MappingProxyType({}),
    after: str | None = None,
    limit: int,
) -> list[Row[Any]]:
    """Return erasures in the order in which they were written down, after one of them.

    `since`: those that were requested at that time or later. `about`: those that name this user, vendor or reference."""
    query = select(Erasure.__table__).where(Erasure.environment == environment).filter_by(**about)
    if status:
        query = query.where(Erasure.status == status)
    if since:
        query = query.where(Erasure.requested_at >= since)
    if after:
        query = query.where(Erasure.id > after)
    return list(connection.execute(query.order_by(Erasure.id).limit(limit)).all())


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return an erasure as it is shown."""
    told = {name: getattr(row, COLUMNS.get(name, name)) for name in SHOWN}
    return told | {name: clock.rfc3339(told[name]) for name in TIMES} | {"vendor_tasks": row.vendor_tasks or []}


#: What is shown of an erasure, in this order.
SHOWN = (
    "id", "environment", "status", "cause", "external_user_id", "vendor", "reference", "reason", "received_at", "deadline",
    "requested_by", "requested_at", "decided_by", "decided_at", "decision_reason", "basis", "until", "restrict", "early", "with_vendor",
    "vendor_asked_at", "vendor_tasks", "done_at", "applicants", "events",
)  # fmt: skip
COLUMNS = {"restrict": "restricted"}
TIMES = ("received_at", "deadline", "requested_at", "decided_at", "until", "vendor_asked_at", "done_at")


def a_month_after(moment: datetime) -> datetime:
    """Return the same time of the same day in the next month, or of the month's last day."""
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


# how it is decided --------------------------------------------------------------------------------------------


def _undecided(connection: Connection, erasure_id: str, by: Actor, *besides: Stage) -> Row[Any]:
    """Return a request that another person may decide. Raises UnknownToUs, SamePerson and NotPossible."""
    acts.take_turn(connection)
    row = find(connection, erasure_id, lock=True)
    if row.status not in (Stage.REQUESTED, *besides):
        raise NotPossible(f"it is {row.status} already")
    acts.check_second(by, row.requested_by)
    return row


def _decide(connection: Connection, row: Row[Any], action: Action, *, by: Actor, reason: str, **values: Any) -> dict[str, Any]:
    decided = {"decided_by": by.name, "decided_at": clock.now(), "decision_reason": reason}
    connection.execute(update(Erasure).where(Erasure.id == row.id).values(**decided, **values))
    if row.decided_at is None:
        queue.add(connection, LeafKind.ERASURE_DECIDED, row.id)
    else:  # The row has no room for the refusal before: the audit log has it.
        queue.add_erased(connection, LeafKind.ERASURE_DECIDED, [row.id], erasure_id=row.id)
    acts.record(connection, action, DataSubject.of_row(row), by=by, reason=reason)
    return describe(find(connection, row.id))


def _check_is_over(connection: Connection, keys: Sequence[ApplicantKey]) -> None:
    now = clock.now()
    found = [one for one in periods.of_keys(connection, keys).values() if one.forbids(now)]
    if any(one.goes_on for one in found):
        raise NotPossible("the relationship goes on, so that it is kept: refuse it, or approve it early with a basis")
    if found:
        until = clock.rfc3339(max(one.until for one in found if one.until))
        raise NotPossible(f"it is kept until {until}: refuse it, or approve it early with a basis")


def _longest(connection: Connection, keys: Sequence[ApplicantKey]) -> datetime | None:
    """Return the end of the longest period of applicants; None if one has no end, or none has a period."""
    found = periods.of_keys(connection, keys).values()
    if any(one.goes_on for one in found):
        return None
    return max((one.until for one in found if one.until), default=None)


def _restrict(connection: Connection, keys: Sequence[ApplicantKey]) -> None:
    """Restrict applicants. That is a change, which the feed reports without the applicant."""
    known = applicants.among(connection, keys)
    after = [visibility.restrict(one) for one in applicants.lock(connection, known).values()]
    applicants.save(connection, [one for one, _ in after])
    feed.append(connection, [change for _, change in after if change])
