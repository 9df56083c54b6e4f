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
from store.states import ApplicantKey
from store.system import clock


def describe_all(connection: Connection, found: Sequence[Applicant], *, with_held: bool = False) -> list[dict[str, Any]]:
    """Return applicants as the contract shows them."""
    today = of_today(connection, found, with_held=with_held)
    return [applicants.describe(one) | more for one, more in zip(found, today, strict=True)]


def as_known(connection: Connection, key: ApplicantKey, at: datetime | None, *, with_held: bool = False) -> dict[str, Any] | None:
    """Return an applicant as it is shown, or was shown at a time; None if it is, or was, unknown."""
    told, found = history.as_known(connection, key, at), applicants.find_shown(connection, key)
    return told | of_today(connection, [found], with_held=with_held)[0] if told and found else None


def explain(connection: Connection, key: ApplicantKey, at: datetime | None, *, with_held: bool = False) -> dict[str, Any] | None:
    """Return an applicant and its grounds, as `explanations.explain` does; None if it is unknown."""
    found, applicant = explanations.explain(connection, key, at), as_known(connection, key, at, with_held=with_held)
    return found | {"applicant": applicant} if found else None


def of_today(connection: Connection, found: Sequence[Applicant], *, with_held: bool = False) -> list[dict[str, Any]]:
    """Return what is always shown of applicants as it is today."""
    until = periods.keep_until(connection, found)
    rows: list[dict[str, Any]] = [{"restricted": one.restricted, "keep_until": clock.rfc3339(until.get(one.key))} for one in found]
    if not with_held:
        return rows
    held = holds.held(connection, [one.key for one in found])
    return [row | {"held": one.key in held} for row, one in zip(rows, found, strict=True)]
