"""Holds: nothing of a user, or of an applicant, is erased while a hold is on it, whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select, tuple_, union, update

from store import database
from store.access.operators import Actor
from store.database import bulk
from store.database.privacy_tables import Erasure, Hold
from store.database.tables import ApplicantRow
from store.inbox.deliveries import new_event_id
from store.privacy import acts
from store.privacy.acts import Action, DataSubject
from store.privacy.errors import NotPossible, UnknownToUs
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey

# what persons do ----------------------------------------------------------------------------------------------


def place(connection: Connection, subject: DataSubject, *, by: Actor, reason: str, review_at: datetime) -> dict[str, Any]:
    """Place a hold; return it as it is shown. Raises NotPossible when the deletions for them have begun."""
    acts.take_turn(connection)
    if _is_being_erased(connection, subject):
        raise NotPossible("an erasure of them is being carried out: nothing is left to hold")
    made = new_event_id()
    placed = {"id": made, "reason": reason, "review_at": review_at, "placed_by": by.name, "placed_at": clock.now()}
    connection.execute(database.insert(Hold).values(**structs.asdict(subject), **placed))
    queue.add(connection, LeafKind.HOLD, made)
    acts.record(connection, Action.PLACE_HOLD, subject, by=by, reason=reason)
    return describe(find(connection, made))


def lift(connection: Connection, hold_id: str, *, by: Actor, reason: str | None) -> dict[str, Any]:
    """Lift a hold that another person placed; return it as it is shown. Raises UnknownToUs, SamePerson, and NotPossible if it is lifted."""
    row = find(connection, hold_id, lock=True)
    if row.lifted_at is not None:
        raise NotPossible(f"{row.lifted_by} lifted it already")
    acts.check_second(by, row.placed_by)
    lifted = {"lifted_by": by.name, "lifted_at": clock.now(), "lift_reason": reason}
    connection.execute(update(Hold).where(Hold.id == hold_id).values(**lifted))
    queue.add(connection, LeafKind.HOLD_LIFTED, hold_id)
    acts.record(connection, Action.LIFT_HOLD, DataSubject.of_row(row), by=by, reason=reason)
    return describe(find(connection, hold_id))


def find(connection: Connection, hold_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a hold's row. Raises UnknownToUs."""
    query = select(Hold.__table__).where(Hold.id == hold_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise UnknownToUs("no hold has this id")
    return row


def listing(
    connection: Connection,
    *,
    environment: str,
    lifted: bool = False,
    since: datetime | None = None,
    about: Mapping[str, str] = MappingProxyType({}),
    after: str | None = None,
    limit: int,
) -> list[Row[Any]]:
    """Return holds in the order in which they were placed, after one of them: those that are in force; with `lifted` all.

    `since`: those that were placed at that time or later. `about`: those that name this user, vendor or reference."""
    query = select(Hold.__table__).where(Hold.environment == environment).filter_by(**about)
    if not lifted:
        query = query.where(Hold.lifted_at.is_(None))
    if since:
        query = query.where(Hold.placed_at >= since)
    if after:
        query = query.where(Hold.id > after)
    return list(connection.execute(query.order_by(Hold.id).limit(limit)).all())


def about(connection: Connection, environment: str, keys: Sequence[ApplicantKey], user: str | None) -> list[Row[Any]]:
    """Return the holds on applicants, or on a user, in the order in which they were placed; lifted ones, too."""
    return list(connection.execute(select(Hold.__table__).where(_about(environment, keys, {user})).order_by(Hold.id)).all())


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return a hold as it is shown."""
    told = dict(row._mapping)
    return told | {name: clock.rfc3339(told[name]) for name in ("review_at", "placed_at", "lifted_at")}


# what they forbid ---------------------------------------------------------------------------------------------


def on(connection: Connection, environment: str, keys: Sequence[ApplicantKey], user: str | None) -> bool:
    """Return whether a hold is on one of the applicants, on the user whose they are, or on the user."""
    users = {user, *_users(connection, keys).values()} - {None}
    return connection.execute(select(exists().where(Hold.lifted_at.is_(None), _about(environment, keys, users)))).scalar_one()


def held(connection: Connection, keys: Collection[ApplicantKey]) -> set[ApplicantKey]:
    """Return those of the applicants that a hold is on, or on whose user one is."""
    if not connection.execute(select(exists().where(Hold.lifted_at.is_(None)))).scalar_one():
        return set()
    users = _users(connection, keys)
    columns: tuple[Any, ...] = (Hold.vendor, Hold.environment, Hold.reference, Hold.external_user_id)
    found: set[ApplicantKey] = set()
    for environment in {key.environment for key in keys}:
        about = _about(environment, list(keys), {user for key, user in users.items() if key.environment == environment})
        rows = connection.execute(select(*columns).where(Hold.lifted_at.is_(None), about)).all()
        named = {ApplicantKey(*row[:3]) for row in rows}
        theirs = {row.external_user_id for row in rows} - {None}
        found |= {key for key in keys if key in named or (key.environment == environment and users.get(key) in theirs)}
    return found


def on_erasure() -> ColumnElement[bool]:
    """Return the condition that a hold is on what an erasure is about, as `on` says it. It is computed once for all erasures.

    It begins at the holds, which are few."""
    key = (ApplicantRow.environment, ApplicantRow.vendor, ApplicantRow.reference)
    is_named = and_(key[0] == Hold.environment, key[1] == Hold.vendor, key[2] == Hold.reference)
    is_of_user = and_(key[0] == Hold.environment, ApplicantRow.external_user_id == Hold.external_user_id)
    columns, is_open = (*key, ApplicantRow.external_user_id), Hold.lifted_at.is_(None)
    theirs = union(*(select(*columns).join(Hold, on).where(is_open) for on in (is_named, is_of_user))).cte("applicants_on_hold").c
    named = select(Hold.environment, Hold.vendor, Hold.reference).where(is_open, Hold.reference.is_not(None))
    keys = union(named, select(theirs.environment, theirs.vendor, theirs.reference))
    of_users = [
        select(Hold.environment, Hold.external_user_id).where(is_open, Hold.external_user_id.is_not(None)),
        select(theirs.environment, theirs.external_user_id).where(theirs.external_user_id.is_not(None)),
    ]
    return or_(
        tuple_(Erasure.environment, Erasure.vendor, Erasure.reference).in_(keys),
        tuple_(Erasure.environment, Erasure.external_user_id).in_(union(*of_users)),
    )


def forget(connection: Connection, environment: str, keys: Sequence[ApplicantKey], user: str | None, *, erasure_id: str) -> None:
    """Remove from lifted holds their applicants and reasons, for an erasure."""
    lifted = (Hold.lifted_at.is_not(None), _about(environment, keys, {user} if user else set()))
    with_reason = {row.id: row.lift_reason is not None for row in connection.execute(select(Hold.id, Hold.lift_reason).where(*lifted))}
    mine = update(Hold).where(Hold.id.in_(list(with_reason)))
    if with_reason:
        connection.execute(mine.values(external_user_id=None, vendor=None, reference=None, reason=None, lift_reason=None))
    queue.add_erased(connection, LeafKind.HOLD, list(with_reason), erasure_id=erasure_id)
    told = [hold_id for hold_id, has_one in with_reason.items() if has_one]
    queue.add_erased(connection, LeafKind.HOLD_LIFTED, told, erasure_id=erasure_id)


def _users(connection: Connection, keys: Collection[ApplicantKey]) -> dict[ApplicantKey, str | None]:
    """Return the users of applicants that have a row."""
    key = (ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference)
    query = select(*key, ApplicantRow.external_user_id).where(bulk.of_applicants(ApplicantRow, keys))
    return {ApplicantKey(*row[:3]): row.external_user_id for row in connection.execute(query)}


def _about(environment: str, keys: Sequence[ApplicantKey], users: set[str | None]) -> ColumnElement[bool]:
    return or_(bulk.of_applicants(Hold, keys), (Hold.environment == environment) & Hold.external_user_id.in_(sorted(filter(None, users))))


def _is_being_erased(connection: Connection, subject: DataSubject) -> bool:
    """Return whether an erasure of the user or the applicant has begun, or one of a user that the applicant is of."""
    begun = select(Erasure.subject, Erasure.targets).where(Erasure.environment == subject.environment, Erasure.targets.is_not(None))
    named = [subject.vendor, subject.reference]
    return any(row.subject == subject.digest or named in row.targets for row in connection.execute(begun))
