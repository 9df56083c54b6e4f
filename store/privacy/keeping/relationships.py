"""Relationships: when the business relationship with a user ended. There the clock of retention begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, select, tuple_

from store import database
from store.access.operators import Actor
from store.database import bulk
from store.database.privacy_tables import Relationship
from store.database.tables import ApplicantRow
from store.privacy import acts
from store.privacy.acts import Action, DataSubject
from store.system import clock
from store.text.states import ApplicantKey


def end(connection: Connection, environment: str, user: str, *, ended_at: datetime | None, basis: str | None, by: Actor) -> dict[str, Any]:
    """Record when the relationship with a user ended, and by what basis; None: it goes on. Return it as it is shown."""
    said = {"ended_at": ended_at, "basis": basis, "said_by": by.name, "said_at": clock.now()}
    made = database.insert(Relationship).values(environment=environment, external_user_id=user, **said)
    connection.execute(made.on_conflict_do_update(index_elements=["environment", "external_user_id"], set_=said))
    action = Action.REOPEN_RELATIONSHIP if ended_at is None else Action.END_RELATIONSHIP
    acts.record(connection, action, DataSubject(environment=environment, external_user_id=user), by=by, reason=basis)
    found = find(connection, environment, user)
    assert found is not None
    return describe(found)


def find(connection: Connection, environment: str, user: str) -> Row[Any] | None:
    """Return what was said of the relationship with a user."""
    mine = (Relationship.environment == environment, Relationship.external_user_id == user)
    return connection.execute(select(Relationship.__table__).where(*mine)).one_or_none()


def recorded_since(connection: Connection, keys: Sequence[ApplicantKey], moment: datetime) -> bool:
    """Return whether the relationship with a user of one of the applicants was recorded since a moment."""
    users = select(ApplicantRow.environment, ApplicantRow.external_user_id).where(bulk.of_applicants(ApplicantRow, keys))
    mine = tuple_(Relationship.environment, Relationship.external_user_id).in_(users)
    return connection.execute(select(exists().where(mine, Relationship.said_at > moment))).scalar_one()


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return a relationship as it is shown."""
    return {
        "external_user_id": row.external_user_id,
        "environment": row.environment,
        "ended_at": clock.rfc3339(row.ended_at),
        "basis": row.basis,
        "said_by": row.said_by,
        "said_at": clock.rfc3339(row.said_at),
    }
