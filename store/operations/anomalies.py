"""Anomalies: what an operator should look at although every delivery is kept: silent vendors, refusals, applicants stuck in review."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select

from store import config
from store.database.count_tables import Tally
from store.database.tables import ApplicantRow, TransitionRow
from store.operations import delivery_counts
from store.system import clock
from store.text.states import Reversal, Status

AUTHENTIC = ("accepted", "duplicate", "spooled")
REFUSED = ("forged", "stale")

#: A vendor is silent when so many deliveries are missing that would usually have come since its last one.
MISSING_MAX = 10
#: Deliveries of the last minutes are refused in a surge when there are so many, and so great a part of all.
LATELY, SURGE_MIN, SURGE_PART = timedelta(minutes=10), 10, 0.2

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)

#: Counting stops here: a larger number is not exact.
COUNTED_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class VendorSight:
    """How a vendor's deliveries arrive."""

    vendor: str
    #: The last authentic one; None if there was none in the last days.
    last_at: datetime | None
    silent_seconds: float | None
    #: How many would usually have come since: at the same time of day on the days before.
    missing: int
    #: In the last minutes: how many were refused as forged or stale, of how many.
    refused: int
    answered: int
    #: In the last day: signed bodies that were larger than is accepted.
    too_large: int
    #: In the last day: approvals that were not understood.
    not_understood: int
    #: In the last day: news of applicants that were erased.
    news_of_erased: int
    #: In the last week: unknown event types, and the number of events of each.
    unknown_types: dict[str, int]

    def describe(self) -> dict[str, Any]:
        """Return the fields as they are shown."""
        told = {name: value for name, value in vars(self).items() if name != "vendor"}
        told |= {"last_at": clock.rfc3339(self.last_at), "silent": self.is_silent, "refused_in_a_surge": self.has_surge}
        return told | {"silent_seconds": None if self.silent_seconds is None else round(self.silent_seconds, 1)}

    @property
    def is_silent(self) -> bool:
        return self.missing > MISSING_MAX

    @property
    def has_surge(self) -> bool:
        return self.refused >= SURGE_MIN and self.refused > SURGE_PART * self.answered


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How many authentic deliveries a vendor sends in an hour."""

    #: In the last hour.
    last_hour: int
    #: The median of the same hour on the days before, up to 7; None where none of them is known.
    usual_hour: float | None


NO_PACE = Pace(last_hour=0, usual_hour=None)


@dataclass(frozen=True, kw_only=True)
class Attention:
    """How the vendors' deliveries arrive, and how many applicants are stuck in review."""

    vendors: list[VendorSight]
    stuck_in_review: int

    def describe(self) -> dict[str, Any]:
        """Return the fields as they are shown."""
        return {"vendors": {sight.vendor: sight.describe() for sight in self.vendors}, "in_review_too_long": self.stuck_in_review}


def find(connection: Connection, *, environment: str = "live") -> Attention:
    """Return what an operator should look at."""
    longer_than = config.settings().review_max
    return Attention(
        vendors=vendors(connection, environment=environment),
        stuck_in_review=stuck_in_review(connection, environment=environment, longer_than=longer_than),
    )


def vendors(connection: Connection, *, environment: str) -> list[VendorSight]:
    """Return how the deliveries of each known vendor arrived during the last days."""
    now = clock.now()
    lately = (Tally.since >= now - LATELY - delivery_counts.SLICE) & Tally.answer.in_(delivery_counts.ANSWERS)
    today = and_(Tally.since >= now - DAY, Tally.environment == environment)
    authentic = and_(Tally.environment == environment, Tally.answer.in_(AUTHENTIC))
    query = (
        select(
            Tally.vendor,
            func.max(case((authentic, Tally.last_at)), type_=Tally.last_at.type).label("last_at"),
            _sum(lately & Tally.answer.in_(REFUSED)).label("refused"),
            _sum(lately).label("answered"),
            _sum((Tally.since >= now - DAY) & (Tally.answer == "too_large")).label("too_large"),
            _sum(today & (Tally.answer == delivery_counts.NOT_UNDERSTOOD)).label("not_understood"),
            _sum(today & (Tally.answer == delivery_counts.NEWS_OF_ERASED)).label("news_of_erased"),
        )
        .group_by(Tally.vendor)
        .order_by(Tally.vendor)
    )
    return [_sight(connection, row, now, environment) for row in connection.execute(query).all()]


def paces(connection: Connection, *, environment: str) -> dict[str, Pace]:
    """Return the pace of each vendor that was heard of in the last days."""
    now = clock.now()
    hours = [_sum((Tally.since > now - ago * DAY - HOUR) & (Tally.since <= now - ago * DAY)) for ago in range(8)]
    first = func.min(Tally.since, type_=Tally.since.type)
    mine = (Tally.environment == environment, Tally.answer.in_(AUTHENTIC))
    found = {}
    for vendor, since, last_hour, *earlier in connection.execute(select(Tally.vendor, first, *hours).where(*mine).group_by(Tally.vendor)):
        known = [count for ago, count in enumerate(earlier, start=1) if since <= now - ago * DAY]
        found[vendor] = Pace(last_hour=last_hour, usual_hour=median(known) if known else None)
    return found


def stuck_in_review(connection: Connection, *, environment: str, longer_than: timedelta) -> int:
    """Return how many applicants are in review without any event for longer than the given time."""
    still = select(ApplicantRow.reference).where(
        ApplicantRow.environment == environment,
        ApplicantRow.status == Status.IN_REVIEW,
        ApplicantRow.updated_at < clock.now() - longer_than,
    )
    return connection.execute(select(func.count()).select_from(still.limit(COUNTED_MAX).subquery())).scalar_one()


def adverse_reversals(connection: Connection, *, environment: str = "live", since: datetime) -> int:
    """Return how many approvals fell since a time."""
    fell = select(TransitionRow.number).where(
        TransitionRow.environment == environment,
        TransitionRow.reversal.is_not(None),
        TransitionRow.reversal == Reversal.ADVERSE,
        TransitionRow.at >= since,
    )
    return connection.execute(select(func.count()).select_from(fell.limit(COUNTED_MAX).subquery())).scalar_one()


def _sight(connection: Connection, row: Row[Any], now: datetime, environment: str) -> VendorSight:
    last_at = row.last_at
    return VendorSight(
        vendor=row.vendor,
        last_at=last_at,
        silent_seconds=(now - last_at).total_seconds() if last_at else None,
        missing=_missing(connection, row.vendor, environment, last_at, now) if last_at else 0,
        refused=row.refused,
        answered=row.answered,
        too_large=row.too_large,
        not_understood=row.not_understood,
        news_of_erased=row.news_of_erased,
        unknown_types=_unknown_types(connection, row.vendor, environment, now),
    )


def _unknown_types(connection: Connection, vendor: str, environment: str, now: datetime) -> dict[str, int]:
    query = (
        select(Tally.answer, func.sum(Tally.count).label("many"))
        .where(Tally.vendor == vendor, Tally.environment == environment, Tally.since >= now - WEEK)
        .where(Tally.answer.startswith(delivery_counts.UNKNOWN_TYPE, autoescape=True))
        .group_by(Tally.answer)
        .order_by(Tally.answer)
    )
    return {row.answer.removeprefix(delivery_counts.UNKNOWN_TYPE): row.many for row in connection.execute(query)}


def _missing(connection: Connection, vendor: str, environment: str, last_at: datetime, now: datetime) -> int:
    """Estimate the missing deliveries: the median of this time window over the last 7 days, at most that of the same weekday last week.
    Return 0 if the last delivery is recent or there is no history."""
    if now - last_at < 2 * delivery_counts.SLICE:
        return 0
    mine = and_(Tally.vendor == vendor, Tally.environment == environment, Tally.answer.in_(AUTHENTIC))
    first: datetime | None = connection.execute(select(func.min(Tally.since, type_=Tally.since.type)).where(mine)).scalar_one()
    days = [days for days in range(1, 8) if first and first <= last_at - days * DAY]
    if not days:
        return 0
    windows = [_sum((Tally.since > last_at - ago * DAY) & (Tally.since <= now - ago * DAY)) for ago in days]
    came = connection.execute(select(*windows).where(mine)).one()
    return int(min(median(came), came[6]) if len(days) == 7 else median(came))


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, Tally.count), else_=0)), 0)
