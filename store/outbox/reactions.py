"""Reactions and subscribers, as operators list them and run them again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, select, update

from store.database.operations_tables import Reaction, Subscriber
from store.database.tables import TransitionRow
from store.outbox.dispatch import ReactionStatus
from store.states import Reversal
from store.system import clock


def subscribers(connection: Connection) -> list[Row[Any]]:
    """Return the subscribers."""
    return list(connection.execute(select(Subscriber.__table__).order_by(Subscriber.name)).all())


def resume(connection: Connection, name: str) -> bool:
    """Notify a subscriber again that had asked for nothing more, is paused, or refused: all that waits for it is due now. Return whether
    there is one of this name."""
    awake = update(Subscriber).where(Subscriber.name == name).values(stopped_at=None, paused_until=None, failures=0)
    waits = (Reaction.subscriber == name) & (Reaction.status == ReactionStatus.PENDING)
    connection.execute(update(Reaction).where(waits).values(due_at=None))
    return connection.execute(awake).rowcount == 1


def listing(
    connection: Connection, *, status: str | None = None, subscriber: str | None = None, environment: str | None = None,
    after: int = 0, newest_first: bool = False, limit: int,
) -> list[Row[Any]]:  # fmt: skip
    """Return reactions in the order of creation, after one of them; or the newest first."""
    query = select(Reaction.__table__, TransitionRow.from_status, TransitionRow.to_status, TransitionRow.reversal).join(
        TransitionRow, TransitionRow.number == Reaction.number
    )
    query = query.where(Reaction.id > after)
    for column, value in ((Reaction.status, status), (Reaction.subscriber, subscriber), (Reaction.environment, environment)):
        if value is not None:
            query = query.where(column == value)
    return list(connection.execute(query.order_by(Reaction.id.desc() if newest_first else Reaction.id).limit(limit)).all())


def find(connection: Connection, reaction_id: int) -> dict[str, Any] | None:
    """Return a reaction as it is shown, with all its answers; None if there is none."""
    rows = listing(connection, after=reaction_id - 1, limit=1)
    return describe(rows[0]) | {"answers": rows[0].answers} if rows and rows[0].id == reaction_id else None


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return a reaction as it is shown: its change and its progress."""
    names = ("id", "subscriber", "vendor", "environment", "reference", "status", "attempts", "urgent", "reversal")
    told = {name: row._mapping[name] for name in names} | {"from": row.from_status, "to": row.to_status}
    moments = {"due_at": clock.rfc3339(row.due_at), "settled_at": clock.rfc3339(row.settled_at)}
    return told | moments | {"said": row.answers[-1]["said"] if row.answers else None}


def run_again(connection: Connection, reaction_ids: Collection[int] | None, *, subscriber: str | None = None) -> int:
    """Make reactions that gave up pending again, some or all; return how many."""
    chosen = [Reaction.status == ReactionStatus.FAILED]
    chosen += [Reaction.id.in_(reaction_ids)] if reaction_ids is not None else []
    chosen += [Reaction.subscriber == subscriber] if subscriber is not None else []
    afresh = update(Reaction).where(*chosen).values(status=ReactionStatus.PENDING, settled_at=None, attempts=0, due_at=None)
    return connection.execute(afresh).rowcount


@dataclass(frozen=True, kw_only=True)
class Count:
    """The open reactions of a subscriber."""

    subscriber: str
    is_stopped: bool
    pending: int
    #: How many of those that wait tell that an approval fell.
    adverse: int
    #: How many of those that wait were tried in vain, and what came of the oldest one's last attempt.
    refused: int
    answer: str | None
    failed: int
    #: When the oldest change that waits was made.
    oldest_at: datetime | None


def counts(connection: Connection) -> list[Count]:
    """Return the open reactions of each subscriber."""
    open_ones = and_(Reaction.subscriber == Subscriber.name, Reaction.status.in_((ReactionStatus.PENDING, ReactionStatus.FAILED)))
    waits = Reaction.status == ReactionStatus.PENDING
    query = (
        select(
            Subscriber.name.label("subscriber"),
            Subscriber.stopped_at.is_not(None).label("is_stopped"),
            func.count(case((waits, 1))).label("pending"),
            func.count(case((waits & (TransitionRow.reversal == Reversal.ADVERSE), 1))).label("adverse"),
            func.count(case((waits & (Reaction.attempts > 0), 1))).label("refused"),
            func.count(case((Reaction.status == ReactionStatus.FAILED, 1))).label("failed"),
            func.min(case((waits, TransitionRow.at)), type_=TransitionRow.at.type).label("oldest_at"),
        )
        .join(Reaction, open_ones, isouter=True)
        .join(TransitionRow, TransitionRow.number == Reaction.number, isouter=True)
        .group_by(Subscriber.name, Subscriber.stopped_at)
        .order_by(Subscriber.name)
    )
    rows = connection.execute(query).all()
    return [Count(**row._mapping, answer=_last_answer(connection, row.subscriber) if row.refused else None) for row in rows]


def _last_answer(connection: Connection, subscriber: str) -> str | None:
    """Return what came of the last attempt at the oldest reaction that was tried in vain."""
    tried = select(Reaction.answers).where(
        Reaction.subscriber == subscriber, Reaction.status == ReactionStatus.PENDING, Reaction.attempts > 0
    )
    answers = connection.scalars(tried.order_by(Reaction.number).limit(1)).one_or_none()
    return answers[-1]["said"] if answers else None
