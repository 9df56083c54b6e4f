"""Explanations: why an applicant has its status, and every event that named it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import ColumnElement, Connection, Row, and_, select, true, tuple_

from store.applicants.table import Applicant
from store.database.tables import EventRow, MentionRow, TransitionRow
from store.system import clock
from store.text import traces
from store.text.states import WITHOUT_REASONS, ApplicantKey

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

_ORDER = (MentionRow.place, MentionRow.rank, MentionRow.event_sequence)


#: An event's place in the vendor's order.
Place = tuple[Whole, Whole, Whole]


def explain(connection: Connection, applicant: Applicant, at: datetime | None = None) -> dict[str, Any]:
    """Return the grounds of an applicant, the deciding one first and apart. Those of a past moment are not kept, so there are none."""
    grounds = [] if at else _grounds(connection, applicant)
    return {
        "linked": applicant.linked_user_id is not None,
        "ground": next(iter(grounds), None),
        "grounds": grounds,
        "vendor_gives_reasons": applicant.vendor not in WITHOUT_REASONS,
    }


def events(
    connection: Connection, key: ApplicantKey, *, at: datetime | None = None, after: Place | None = None, newest: bool = False, limit: int
) -> list[dict[str, Any]]:
    """Return events that named an applicant, in the vendor's order, after a place in it; or the newest, in the same order. With a moment:
    those received until then."""
    order = [column.desc() for column in _ORDER] if newest else _ORDER
    page = select(MentionRow.__table__).where(_mentions(key), tuple_(*_ORDER) > tuple_(*after) if after else true())
    if at:
        received = select(EventRow.sequence).where(EventRow.sequence == MentionRow.event_sequence, EventRow.received_at <= at)
        page = page.where(received.exists())
    some = page.order_by(*order).limit(limit).subquery()
    times = (EventRow.occurred_at, EventRow.received_at, EventRow.settled_at)
    columns = (EventRow.id, EventRow.event_type, *times, EventRow.repeat, EventRow.trace)
    query = select(some, *columns).join(EventRow, EventRow.sequence == some.c.event_sequence)
    rows = connection.execute(query.order_by(some.c.place, some.c.rank, some.c.event_sequence)).all()
    changes = _changes(connection, key, [row.id for row in rows], at)
    return [_described(row, changes[row.id]) for row in rows]


def describe(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as it is shown."""
    return {name: value for name, value in event.items() if name != "place"}


def _mentions(key: ApplicantKey) -> ColumnElement[bool]:
    return and_(MentionRow.vendor == key.vendor, MentionRow.environment == key.environment, MentionRow.reference == key.reference)


def _grounds(connection: Connection, applicant: Applicant) -> list[dict[str, Any]]:
    """Return each ground with what its event said. Those after the first are overridden, or cannot override it."""
    ids = [ground["event_id"] for ground in applicant.grounds]
    columns = (EventRow.id, EventRow.sequence, EventRow.occurred_at, EventRow.received_at)
    rows = connection.execute(select(*columns).where(EventRow.id.in_(ids))).all()
    # Two questions: in one, a database may look through every mention of the applicant.
    mentions = select(MentionRow.event_sequence, MentionRow.said).where(_mentions(applicant.key))
    words = dict(connection.execute(mentions.where(MentionRow.event_sequence.in_([row.sequence for row in rows]))).all())
    said = {row.id: (words.get(row.sequence), clock.rfc3339(row.occurred_at or row.received_at)) for row in rows}
    return [
        {
            "status": ground["status"],
            "name": ground["name"],
            "decides": place == 0,
            "event_id": ground["event_id"],
            **dict(zip(("said", "at"), said.get(ground["event_id"], (None, None)), strict=True)),
        }
        for place, ground in enumerate(applicant.grounds)
    ]


def _changes(connection: Connection, key: ApplicantKey, event_ids: Collection[str], at: datetime | None) -> dict[str, list[dict[str, Any]]]:
    """Return what each of some events changed when it was handled, until a moment."""
    query = select(TransitionRow.__table__).filter_by(**key._asdict()).where(TransitionRow.event_id.in_(event_ids))
    if at:
        query = query.where(TransitionRow.at <= at)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(query.order_by(TransitionRow.version)):
        change = {
            "number": row.number,
            "from": row.from_status,
            "to": row.to_status,
            "reversal": row.reversal,
            "changed": row.changed,
            "at": clock.rfc3339(row.at),
        }
        found[row.event_id].append(change)
    return found


def _described(row: Row[Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "place": (row.place, row.rank, row.event_sequence),
        "event_id": row.id,
        "event_type": row.event_type,
        "occurred_at": clock.rfc3339(row.occurred_at),
        "received_at": clock.rfc3339(row.received_at),
        "settled_at": clock.rfc3339(row.settled_at),
        "repeat": row.repeat,
        "trace_id": traces.id_of(row.trace),
        "said": row.said,
        "meant": row.meant,
        "outcome": row.outcome,
        "superseded_by": row.superseded_by,
        "why": row.why,
        "changes": changes,
    }
