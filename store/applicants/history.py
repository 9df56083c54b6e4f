"""The history of an applicant: its changes, and how it was shown at any time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, union_all

from store.applicants import feed
from store.applicants.table import Applicant, describe
from store.database import bulk
from store.database.tables import QuietMove, TransitionRow
from store.text.states import ApplicantKey

#: The notice of an erasure is no change of the applicant that has the reference now.
_IS_CHANGE = TransitionRow.to_status != feed.ERASED


def of(connection: Connection, key: ApplicantKey, *, after: int = 0, limit: int) -> list[Row[Any]]:
    """Return an applicant's changes, oldest first, after a version."""
    query = select(TransitionRow.__table__).filter_by(**key._asdict()).where(TransitionRow.version > after, _IS_CHANGE)
    return list(connection.execute(query.order_by(TransitionRow.version).limit(limit)).all())


def remember_quietly(connection: Connection, moved: Iterable[Applicant]) -> None:
    """Record how applicants are shown after a move that is no change."""
    rows = [one.key._asdict() | {"version": one.version, "at": one.updated_at, "applicant": describe(one)} for one in moved]
    bulk.insert(connection, QuietMove, rows)


def as_known(connection: Connection, applicant: Applicant, at: datetime | None) -> dict[str, Any] | None:
    """Return an applicant as it is shown, or was shown at a time; None if it was unknown then."""
    if at is None or at >= applicant.updated_at:
        return describe(applicant)
    mine = applicant.key._asdict()
    changed = select(TransitionRow.version, TransitionRow.at, TransitionRow.applicant).filter_by(**mine).where(_IS_CHANGE)
    moved = select(QuietMove.version, QuietMove.at, QuietMove.applicant).filter_by(**mine)
    known = union_all(changed, moved).subquery()
    query = select(known.c.applicant).where(known.c.at <= at).order_by(known.c.version.desc(), known.c.at.desc()).limit(1)
    found: dict[str, Any] | None = connection.execute(query).scalar_one_or_none()
    return found
