"""The audit log: what persons with a right did, recorded with the act, in its transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from store import database, operators
from store.database.operations_tables import Act
from store.system import clock


def write(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    reason: str | None = None,
    touched: int | None = None,
    os_user: str | None = None,
) -> None:
    """Record an act: who did what to what; the reason, the number of things touched, and the account of the operating system, where
    known."""
    values = {"actor": actor, "action": action, "subject": subject, "reason": reason, "touched": touched, "os_user": os_user}
    connection.execute(database.insert(Act).values(at=clock.now(), **values))


def record(connection: Connection, *, action: str, subject: str, reason: str | None = None, touched: int | None = None) -> None:
    """Record an act of whoever is at this terminal."""
    by = operators.at_this_terminal()
    write(connection, actor=by.name, action=action, subject=subject, reason=reason, touched=touched, os_user=by.os_user)


def listing(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    after: int = 0,
    newest_first: bool = False,
    limit: int,
) -> list[Row[Any]]:
    """Return acts in order, after one of them; or the newest first. An actor's name matches in any case."""
    query = select(Act.__table__).where(Act.id > after)
    if actor:
        # A name is one person, whatever its case; names of tokens are ASCII.
        query = query.where(func.lower(Act.actor) == actor.lower())
    if action:
        query = query.where(Act.action == action)
    if since:
        query = query.where(Act.at >= since)
    return list(connection.execute(query.order_by(Act.id.desc() if newest_first else Act.id).limit(limit)).all())


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return an act as it is shown."""
    told = {name: value for name, value in row._mapping.items() if name != "id"}
    return told | {"at": clock.rfc3339(row.at)}
