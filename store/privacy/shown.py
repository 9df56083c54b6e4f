"""Applicants as they are shown: with the time until which each is kept and, for privacy officers, whether a hold is on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from store.applicants import explanations, history
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.privacy import holds
from store.privacy.keeping import periods
from store.system import clock


def describe_all(connection: Connection, found: Sequence[Applicant], *, with_held: bool = False) -> list[dict[str, Any]]:
    """Return applicants as the contract shows them."""
    today = of_today(connection, found, with_held=with_held)
    return [applicants.describe(one) | more for one, more in zip(found, today, strict=True)]


def as_known(connection: Connection, found: Applicant, at: datetime | None, *, with_held: bool = False) -> dict[str, Any] | None:
    """Return an applicant as it is shown, or was shown at a time; None if it was unknown then."""
    told = history.as_known(connection, found, at)
    return told | of_today(connection, [found], with_held=with_held)[0] if told else None


def explain(connection: Connection, found: Applicant, at: datetime | None, *, with_held: bool = False) -> dict[str, Any] | None:
    """Return an applicant as `as_known` does, and its grounds as `explanations.explain` does; None if it was unknown then."""
    applicant = as_known(connection, found, at, with_held=with_held)
    return {"applicant": applicant} | explanations.explain(connection, found, at) if applicant else None


def of_today(connection: Connection, found: Sequence[Applicant], *, with_held: bool = False) -> list[dict[str, Any]]:
    """Return what is always shown of applicants as it is today."""
    until = periods.keep_until(connection, found)
    rows: list[dict[str, Any]] = [{"restricted": one.restricted, "keep_until": clock.rfc3339(until.get(one.key))} for one in found]
    if not with_held:
        return rows
    held = holds.held(connection, [one.key for one in found])
    return [row | {"held": one.key in held} for row, one in zip(rows, found, strict=True)]
