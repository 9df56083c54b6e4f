"""Explanations: why an applicant has its status, and every event that named it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from store.applicants import history
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.database.tables import EventRow, MentionRow, TransitionRow
from store.states import WITHOUT_REASONS, ApplicantKey
from store.system import clock


def explain(connection: Connection, key: ApplicantKey, at: datetime | None = None) -> dict[str, Any] | None:
    """Return the applicant, its grounds (the deciding one first), and every event that named it, in the vendor's order. None if it is
    unknown.

    With a moment: as it was shown then, with what was received and changed until then. Grounds of the past are not kept, so there are
    none."""
    applicant, shown = applicants.find(connection, key), history.as_known(connection, key, at)
    if applicant is None or shown is None:
        return None
    said = _said(connection, key, at)
    return {
        "applicant": shown,
        "linked": applicant.linked_user_id is not None,
        "grounds": [] if at else _grounds(applicant, {one["event_id"]: one for one in said}),
        "events": said,
        "vendor_gives_reasons": key.vendor not in WITHOUT_REASONS,
    }


def _grounds(applicant: Applicant, said: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each ground with what its event said. Those after the first are overridden, or cannot override it."""
    return [
        {
            "status": ground["status"],
            "name": ground["name"],
            "decides": place == 0,
            "event_id": ground["event_id"],
            "said": said[ground["event_id"]]["said"] if ground["event_id"] in said else None,
        }
        for place, ground in enumerate(applicant.grounds)
    ]


def _said(connection: Connection, key: ApplicantKey, at: datetime | None) -> list[dict[str, Any]]:
    changes = _changes(connection, key, at)
    query = (
        select(
            MentionRow.__table__,
            EventRow.id,
            EventRow.event_type,
            EventRow.occurred_at,
            EventRow.received_at,
            EventRow.settled_at,
            EventRow.repeat,
        )
        .join(EventRow, EventRow.sequence == MentionRow.event_sequence)
        .where(MentionRow.vendor == key.vendor, MentionRow.environment == key.environment, MentionRow.reference == key.reference)
        .order_by(MentionRow.place, MentionRow.rank, MentionRow.event_sequence)
    )
    if at:
        query = query.where(EventRow.received_at <= at)
    return [_describe(row, changes[row.id]) for row in connection.execute(query)]


def _changes(connection: Connection, key: ApplicantKey, at: datetime | None) -> dict[str, list[dict[str, Any]]]:
    """Return what each event changed when it was handled."""
    query = select(TransitionRow.__table__).filter_by(**key._asdict()).where(TransitionRow.event_id.is_not(None))
    if at:
        query = query.where(TransitionRow.at <= at)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(query.order_by(TransitionRow.version)):
        change = {
            "from": row.from_status,
            "to": row.to_status,
            "reversal": row.reversal,
            "changed": row.changed,
            "at": clock.rfc3339(row.at),
        }
        found[row.event_id].append(change)
    return found


def _describe(row: Row[Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "event_id": row.id,
        "event_type": row.event_type,
        "occurred_at": clock.rfc3339(row.occurred_at),
        "received_at": clock.rfc3339(row.received_at),
        "settled_at": clock.rfc3339(row.settled_at),
        "repeat": row.repeat,
        "said": row.said,
        "meant": row.meant,
        "outcome": row.outcome,
        "superseded_by": row.superseded_by,
        "why": row.why,
        "changes": changes,
    }
