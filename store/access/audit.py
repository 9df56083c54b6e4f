"""The audit log: what persons with a right did, recorded with the act, in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, String, cast, exists, func, literal, or_, select

from store import config, database
from store.access import operators
from store.database import bulk
from store.database.columns import page
from store.database.operations_tables import Act
from store.database.restriction import IS_RESTRICTED
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.system import clock
from store.text.states import ApplicantKey

#: The action of a plain look-up.
LOOKED_UP = "look up"

#: What the column of subjects holds.
SUBJECT_CHARS_MAX = 500


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


def record(
    connection: Connection,
    *,
    action: str,
    subject: str,
    reason: str | None = None,
    touched: int | None = None,
    officers: bool = False,
) -> None:
    """Record an act of whoever is at this terminal. `officers`: a privacy officer may do it, too."""
    by = operators.at_this_terminal(officers=officers)
    write(connection, actor=by.name, action=action, subject=subject, reason=reason, touched=touched, os_user=by.os_user)


def record_look_up(subject: str) -> None:
    """Record that whoever is at this terminal looked something up, if AUDIT_READS asks for it. Commits."""
    if config.settings().audit_reads:
        looked_at = subject[:SUBJECT_CHARS_MAX]
        database.write(lambda connection: record(connection, action=LOOKED_UP, subject=looked_at, officers=True))


def applicant_subject(key: ApplicantKey) -> str:
    """Return how an act names an applicant."""
    return " ".join(key)


def user_subject(external_user_id: str) -> str:
    """Return how an act names a person."""
    return f"user {external_user_id}"


def event_subject(event_id: str) -> str:
    """Return how an act names an event."""
    return f"event {event_id}"


def list_subject(what: str, wanted: Mapping[str, object]) -> str:
    """Return how an act names a list: the person that it is about, else what is listed, with its filters."""
    if wanted.get("external_user_id"):
        return user_subject(str(wanted["external_user_id"]))
    return ", ".join([f"list of {what}", *(f"{name} {value}" for name, value in wanted.items() if value)])


def listing(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    since: datetime | None = None,
    about: ApplicantKey | None = None,
    about_user: str | None = None,
    environment: str = "live",
    after: tuple[int] | None = None,
    newest_first: bool = False,
    with_restricted: bool = False,
    limit: int,
) -> list[Row[Any]]:
    """Return acts in order, or the newest first, after a place in that order. An actor's name matches in any case.

    Acts about an applicant are those that name it, or an event that named it. Those about a person (in an environment) are the acts about
    each applicant of that person, and those that name the person. Acts that name a restricted applicant are left out unless
    `with_restricted`."""
    query = select(Act.__table__)
    if not with_restricted:
        query = query.where(Act.subject.not_in(_restricted_subjects()))
    if actor:
        # A name is one person, whatever its case; names of tokens are ASCII.
        query = query.where(func.lower(Act.actor) == actor.lower())
    if action:
        query = query.where(Act.action == action)
    if since:
        query = query.where(Act.at >= since)
    if about is not None:
        query = query.where(_names(connection, [about], []))
    if about_user is not None:
        query = query.where(_names(connection, _applicants_of(connection, about_user, environment), [user_subject(about_user)]))
    return list(connection.execute(page(query, Act.id, after=after, newest_first=newest_first, limit=limit)).all())


def is_restricted(connection: Connection, act_id: int) -> bool:
    """Return whether an act names a restricted applicant, so that only privacy officers may see it."""
    return connection.execute(select(exists().where(Act.id == act_id, Act.subject.in_(_restricted_subjects())))).scalar_one()


def _applicants_of(connection: Connection, external_user_id: str, environment: str) -> list[ApplicantKey]:
    mine = (ApplicantRow.environment == environment, ApplicantRow.external_user_id == external_user_id)
    query = select(ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference).where(*mine)
    return [ApplicantKey(*row) for row in connection.execute(query)]


def _names(connection: Connection, keys: list[ApplicantKey], subjects: list[str]) -> ColumnElement[bool]:
    """Return the condition for acts that name one of the subjects, one of the applicants, or an event that named one."""
    named = [*subjects, *map(applicant_subject, keys)]
    events = select(_event_subject(connection)).join(MentionRow, MentionRow.event_sequence == EventRow.sequence)
    return or_(Act.subject.in_(named), Act.subject.in_(events.where(bulk.of_applicants(MentionRow, keys))))


def _restricted_subjects() -> Select[str]:
    """Return how acts name the restricted applicants."""
    return select(ApplicantRow.vendor + " " + ApplicantRow.environment + " " + ApplicantRow.reference).where(IS_RESTRICTED)


def _event_subject(connection: Connection) -> ColumnElement[str]:
    """Return how an act names an event. SQLite keeps an id without its hyphens."""
    text = cast(EventRow.id, String)
    if connection.dialect.name != "sqlite":
        return literal("event ") + text
    parts = [func.substr(text, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    return literal("event ") + parts[0] + "-" + parts[1] + "-" + parts[2] + "-" + parts[3] + "-" + parts[4]


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return an act as it is shown."""
    return dict(row._mapping) | {"at": clock.rfc3339(row.at)}
