"""Restriction: the conditions for rows about applicants that only privacy officers may see."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, select

from store.database.tables import ApplicantRow, EventRow, MentionRow

#: In the form that the index over them has.
IS_RESTRICTED: ColumnElement[bool] = literal_column("applicants.restricted IS TRUE")


def names_restricted(table: Any) -> ColumnElement[bool]:
    """Return the condition that a row of a table names a restricted applicant."""
    same = (getattr(table, name) == getattr(ApplicantRow, name) for name in ("vendor", "environment", "reference"))
    return exists().where(IS_RESTRICTED, *same).correlate(table)


def only_restricted() -> ColumnElement[bool]:
    """Return the condition that an event named restricted applicants alone."""
    return _restricted_mentions(func.min) == 1


def any_restricted() -> ColumnElement[bool]:
    """Return the condition that an event named a restricted applicant."""
    return _restricted_mentions(func.max) == 1


def _restricted_mentions(least_or_most: Any) -> ColumnElement[int]:
    """Return 1 or 0 for the mentions of an event: 1 is a restricted applicant's. 0 if there are none."""
    marks = case((names_restricted(MentionRow), 1), else_=0)
    mine = select(least_or_most(marks)).where(MentionRow.event_sequence == EventRow.sequence).correlate(EventRow)
    return func.coalesce(mine.scalar_subquery(), 0)
