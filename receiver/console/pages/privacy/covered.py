"""What an erasure covers, and what keeps it: the applicants of its user, or its one applicant."""

from __future__ import annotations

from dataclasses import dataclass

from flask import g

from receiver.console import rendering
from receiver.console.api import Refused
from receiver.console.lists import Column, Row
from store.system import clock

#: Applicants that are shown.
SHOWN_MAX = 500


def address(row: Row) -> str:
    """Return the address of the page of an applicant, in its environment."""
    return rendering.to("applicant.show", vendor=row["vendor"], reference=row["reference"], environment=row["environment"])


COLUMNS = (
    Column(name="reference", label="Reference", link=address),
    Column(name="vendor", label="Vendor"),
    Column(name="status", label="Status", kind="status"),
    Column(name="updated_at", label="Changed", kind="time"),
    Column(name="keep_until", label="Kept until", kind="time"),
    Column(name="held", label="A hold is on it"),
    Column(name="restricted", label="Restricted"),
)


@dataclass(frozen=True, kw_only=True)
class Covered:
    """The applicants that an erasure covers, and what keeps them now."""

    applicants: list[Row]

    columns = COLUMNS

    @property
    def is_held(self) -> bool:
        return any(row.get("held") for row in self.applicants)

    @property
    def kept_until(self) -> str | None:
        """Return the end of the longest period of RETENTION that is not over; None: no period is known to run."""
        ends = [row["keep_until"] for row in self.applicants if row.get("keep_until")]
        latest = max(ends, default="")
        return latest if latest > str(clock.rfc3339(clock.now())) else None


def by(erasure: Row) -> Covered:
    """Return what an erasure covers, as far as it is not carried out."""
    if erasure["external_user_id"] is not None:
        return of_user(erasure["external_user_id"], erasure["environment"])
    if erasure["reference"] is not None:
        return Covered(applicants=_found("applicants", erasure["vendor"], erasure["reference"], environment=erasure["environment"]))
    return Covered(applicants=[])


def of_user(external_user_id: str, environment: str) -> Covered:
    """Return the applicants of a user. The API leaves the restricted ones out."""
    return Covered(applicants=_found("users", external_user_id, environment=environment, limit=SHOWN_MAX))


def _found(*segments: str, **query: object) -> list[Row]:
    """Return a call's applicants; none where the person is unknown or erased."""
    try:
        answer: Row = g.api.get(*segments, **query)
    except Refused as refused:
        if refused.status not in (404, 410):
            raise
        return []
    return list(answer.get("data", [answer]))
