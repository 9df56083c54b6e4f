"""Fallen approvals: each applicant whose approval was turned, its status now, why, and who was notified."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, func, select
from sqlalchemy.orm import aliased

from store.database.columns import page
from store.database.operations_tables import Reaction
from store.database.tables import ApplicantRow, EventRow, TransitionRow
from store.inbox.internal_events import DECISION_TYPE
from store.system import clock
from store.text.states import HIT_WORDS, WITHOUT_REASONS, Status


@dataclass(frozen=True, kw_only=True)
class Told:
    """A subscriber that the reversal was for, whether it was notified, and when."""

    subscriber: str
    status: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Fallen:
    """An applicant's last reversal of the wanted kinds, and the applicant's status now."""

    change: Row[Any]
    told: list[Told]


def listing(
    connection: Connection, *, environment: str, kinds: Collection[str], since: datetime | None = None,
    after: tuple[int] | None = None, newest_first: bool = False, limit: int,
) -> list[Fallen]:  # fmt: skip
    """Return each applicant once, in the order of their last reversals of these kinds, or the last first, after a place in that order.
    Restricted applicants are left out; the feed reports their reversals."""
    # Row by row, so that a page costs a page: the last reversals of all applicants would be sorted out again for each.
    later = aliased(TransitionRow)
    is_last = ~exists().where(_same_applicant(later), later.version > TransitionRow.version, *_of_kinds(later, kinds))
    query = (
        select(
            TransitionRow.__table__,
            ApplicantRow.external_user_id,
            ApplicantRow.status,
            _since().label("since"),
            EventRow.event_type,
            EventRow.reason.label("event_reason"),
        )
        .join(ApplicantRow, _same_applicant(ApplicantRow))
        .join(EventRow, EventRow.id == TransitionRow.event_id, isouter=True)
        .where(TransitionRow.environment == environment, *_of_kinds(TransitionRow, kinds), is_last, ApplicantRow.restricted.is_(False))
    )
    if since:
        query = query.where(TransitionRow.at >= since)
    rows = connection.execute(page(query, TransitionRow.number, after=after, newest_first=newest_first, limit=limit)).all()
    told = _told(connection, [row.number for row in rows])
    return [Fallen(change=row, told=told.get(row.number, [])) for row in rows]


def describe(one: Fallen) -> dict[str, Any]:
    """Return a fallen approval as it is shown."""
    row = one.change
    return {
        "external_user_id": row.external_user_id,
        "vendor": row.vendor,
        "environment": row.environment,
        "reference": row.reference,
        "reversal": row.reversal,
        "fell_at": clock.rfc3339(row.at),
        "status": row.status,
        "since": clock.rfc3339(row.since),
        "reinstated": row.status == Status.APPROVED,
        "reason": "; ".join(_reasons(row)),
        "told": [{"subscriber": told.subscriber, "status": told.status, "at": clock.rfc3339(told.at)} for told in one.told],
        "event_id": row.event_id,
    }


def _reasons(row: Row[Any]) -> Iterator[str]:
    """Yield why the approval fell, in words: a person's decision, the hits, then the vendor's own words; else what happened."""
    if row.event_type == DECISION_TYPE:
        yield row.event_reason
        return
    hits, words = row.applicant["hits"], [word for word in row.reasons if word.lower() not in row.applicant["hits"]]
    yield from (HIT_WORDS[hit] for hit in hits)
    if words:
        yield ", ".join(word.replace("_", " ").lower() for word in words)
    if not hits and not words:
        yield row.event_reason or "it was derived again from the kept events"
    if row.vendor in WITHOUT_REASONS:
        yield f"{row.vendor} gives no reason"


def _since() -> Any:
    """Return since when an applicant has its status: the last change of it."""
    later = TransitionRow.__table__.alias()
    same = (later.c.vendor == ApplicantRow.vendor) & (later.c.environment == ApplicantRow.environment)
    moved = later.c.from_status.is_distinct_from(later.c.to_status)
    newest = select(func.max(later.c.at)).where(same, later.c.reference == ApplicantRow.reference, moved).scalar_subquery()
    return func.coalesce(newest, TransitionRow.at, type_=TransitionRow.at.type)


def _of_kinds(table: type[TransitionRow], kinds: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (table.reversal.is_not(None), table.reversal.in_(kinds))


def _same_applicant(table: type[ApplicantRow | TransitionRow]) -> Any:
    return (
        (table.vendor == TransitionRow.vendor)
        & (table.environment == TransitionRow.environment)
        & (table.reference == TransitionRow.reference)
    )


def _told(connection: Connection, numbers: Collection[int]) -> dict[int, list[Told]]:
    query = select(Reaction.number, Reaction.subscriber, Reaction.status, Reaction.settled_at).where(Reaction.number.in_(numbers))
    found: dict[int, list[Told]] = {}
    for row in connection.execute(query.order_by(Reaction.subscriber)):
        found.setdefault(row.number, []).append(Told(subscriber=row.subscriber, status=row.status, at=row.settled_at))
    return found
