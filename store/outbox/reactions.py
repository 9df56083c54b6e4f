"""Reactions and subscribers, as operators list them and run them again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, literal_column, or_, select, update

from store.database.columns import page
from store.database.operations_tables import Reaction, Subscriber
from store.database.tables import TransitionRow
from store.outbox.dispatch import ReactionStatus
from store.system import clock
from store.text.states import Reversal

SHOWN = func.coalesce(Subscriber.title, Subscriber.name)


class Ambiguous(Exception):
    """Several subscribers are shown alike. The message names their keys."""


def subscribers(connection: Connection) -> list[Row[Any]]:
    """Return the subscribers, without those that were forgotten."""
    kept = select(Subscriber.__table__, SHOWN.label("shown")).where(Subscriber.forgotten_at.is_(None))
    return list(connection.execute(kept.order_by(SHOWN, Subscriber.name)).all())


def overview(connection: Connection) -> list[dict[str, Any]]:
    """Return the subscribers as they are shown, with their open reactions. One is configured until a worker records that it is not."""
    found = {one.name: one for one in counts(connection)}
    return [_describe_subscriber(row, found[row.name]) for row in subscribers(connection) if row.name in found]


def _describe_subscriber(row: Row[Any], count: Count) -> dict[str, Any]:
    told = {"key": row.name, "subscriber": row.shown, "configured": row.retired_at is None, "said": count.answer}
    told |= {name: getattr(count, name) for name in ("pending", "adverse", "refused", "failed")}
    moments = {"oldest_at": count.oldest_at, "paused_until": row.paused_until, "stopped_at": row.stopped_at}
    return told | {name: clock.rfc3339(moment) for name, moment in moments.items()}


def find_subscriber(connection: Connection, names: Collection[str]) -> Row[Any] | None:
    """Return the subscriber that has one of these keys, or is shown so; None if there is none. Raises Ambiguous."""
    found = [row for row in subscribers(connection) if row.name in names] or [row for row in subscribers(connection) if row.shown in names]
    if len(found) > 1:
        raise Ambiguous(f"several are called so: {', '.join(row.name for row in found)}")
    return found[0] if found else None


def forget(connection: Connection, name: str) -> int:
    """End what is pending or gave up for a subscriber that is configured no more; return how many reactions."""
    ended = {"status": ReactionStatus.FORGOTTEN, "settled_at": clock.now(), "claimed_by": None, "claimed_until": None}
    mine = update(Reaction).where(Reaction.subscriber == name, Reaction.status.in_((ReactionStatus.PENDING, ReactionStatus.FAILED)))
    count = connection.execute(mine.values(**ended)).rowcount
    connection.execute(update(Subscriber).where(Subscriber.name == name).values(forgotten_at=clock.now()))
    return count


def resume(connection: Connection, name: str) -> bool:
    """Notify a subscriber again that had asked for nothing more, is paused, or refused: all that waits for it is due now. Return whether
    there is one of this name."""
    awake = update(Subscriber).where(Subscriber.name == name).values(stopped_at=None, paused_until=None, failures=0)
    waits = (Reaction.subscriber == name) & (Reaction.status == ReactionStatus.PENDING)
    connection.execute(update(Reaction).where(waits).values(due_at=None))
    return connection.execute(awake).rowcount == 1


def listing(
    connection: Connection, *, status: str | None = None, subscriber: str | None = None, environment: str | None = None,
    since: datetime | None = None, after: tuple[int] | None = None, newest_first: bool = False, limit: int,
) -> list[Row[Any]]:  # fmt: skip
    """Return reactions in the order of creation, or the newest first, after a place in that order. `since`: to changes at that time or
    later."""
    change = (TransitionRow.at, TransitionRow.from_status, TransitionRow.to_status, TransitionRow.reversal, TransitionRow.erased_at)
    query = select(Reaction.__table__, SHOWN.label("shown"), *change).join(TransitionRow, TransitionRow.number == Reaction.number)
    query = query.join(Subscriber, Subscriber.name == Reaction.subscriber)
    for column, value in ((Reaction.status, status), (Reaction.environment, environment)):
        if value is not None:
            query = query.where(column == value)
    if since:
        query = query.where(TransitionRow.at >= since)
    if subscriber is not None:
        query = query.where(or_(Subscriber.name == subscriber, Subscriber.title == subscriber))
    return list(connection.execute(page(query, Reaction.id, after=after, newest_first=newest_first, limit=limit)).all())


def find(connection: Connection, reaction_id: int) -> dict[str, Any] | None:
    """Return a reaction as it is shown, with all its answers; None if there is none."""
    rows = listing(connection, after=(reaction_id - 1,), limit=1)
    return describe(rows[0]) | {"answers": rows[0].answers} if rows and rows[0].id == reaction_id else None


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return a reaction as it is shown: its change and its progress. Once the change is emptied, it names no applicant."""
    names = ("vendor", "environment", "status", "attempts", "urgent", "reversal")
    told = {"id": row.id, "subscriber": row.shown, "reference": None if row.erased_at else row.reference}
    told |= {name: row._mapping[name] for name in names}
    told |= {"from": row.from_status, "to": row.to_status}
    moments = {"at": clock.rfc3339(row.at), "due_at": clock.rfc3339(row.due_at), "settled_at": clock.rfc3339(row.settled_at)}
    return told | moments | {"said": row.answers[-1]["said"] if row.answers else None}


def run_again(connection: Connection, reaction_ids: Collection[int] | None, *, subscriber: str | None = None) -> int:
    """Make reactions that gave up pending again, some or all; return how many."""
    chosen = [Reaction.status == ReactionStatus.FAILED]
    chosen += [Reaction.id.in_(reaction_ids)] if reaction_ids is not None else []
    named = select(Subscriber.name).where(or_(Subscriber.name == subscriber, Subscriber.title == subscriber))
    chosen += [Reaction.subscriber.in_(named)] if subscriber is not None else []
    afresh = update(Reaction).where(*chosen).values(status=ReactionStatus.PENDING, settled_at=None, attempts=0, due_at=None)
    return connection.execute(afresh).rowcount


@dataclass(frozen=True, kw_only=True)
class Count:
    """The open reactions of a subscriber."""

    #: Its key, and how it is shown.
    name: str
    subscriber: str
    is_stopped: bool
    is_retired: bool
    pending: int
    #: How many of those that wait tell that an approval fell.
    adverse: int
    #: How many of those that wait failed before, and the result of the oldest one's last attempt.
    refused: int
    answer: str | None
    failed: int
    #: When the oldest change that waits was made.
    oldest_at: datetime | None


def counts(connection: Connection) -> list[Count]:
    """Return the open reactions of each subscriber, also of those that are configured no more. Without those that were forgotten."""
    kept = select(Subscriber.name, SHOWN.label("subscriber"), Subscriber.retired_at, Subscriber.stopped_at)
    rows = connection.execute(kept.where(Subscriber.forgotten_at.is_(None)).order_by(SHOWN, Subscriber.name)).all()
    waiting, failed = _waiting(connection), _failed(connection)
    return [
        Count(
            name=row.name,
            subscriber=row.subscriber,
            is_stopped=row.stopped_at is not None,
            is_retired=row.retired_at is not None,
            failed=failed.get(row.name, 0),
            answer=_last_answer(connection, row.name) if row.name in waiting and waiting[row.name].refused else None,
            **_counted(waiting.get(row.name)),
        )
        for row in rows
    ]


def _counted(row: Row[Any] | None) -> dict[str, Any]:
    names = ("pending", "adverse", "refused")
    return {name: getattr(row, name) if row else 0 for name in names} | {"oldest_at": row.oldest_at if row else None}


def _waiting(connection: Connection) -> dict[str, Row[Any]]:
    adverse, refused = TransitionRow.reversal == Reversal.ADVERSE, Reaction.attempts > 0
    query = (
        select(
            Reaction.subscriber,
            func.count().label("pending"),
            func.count(case((adverse, 1))).label("adverse"),
            func.count(case((refused, 1))).label("refused"),
            func.min(TransitionRow.at, type_=TransitionRow.at.type).label("oldest_at"),
        )
        .join(TransitionRow, TransitionRow.number == Reaction.number)
        .where(Reaction.status == literal_column("'pending'"))
        .group_by(Reaction.subscriber)
    )
    rows: list[Row[Any]] = list(connection.execute(query))
    return {row.subscriber: row for row in rows}


def _failed(connection: Connection) -> dict[str, int]:
    # Grouped by an expression: by the column SQLite would read every reaction, in the order of another index.
    subscriber = func.coalesce(Reaction.subscriber, "")
    query = select(subscriber, func.count()).where(Reaction.status == literal_column("'failed'")).group_by(subscriber)
    return dict(connection.execute(query).all())


def given_up(connection: Connection, *, environment: str) -> int:
    """Return how many reactions to changes of an environment gave up."""
    failed = select(func.count()).where(Reaction.status == literal_column("'failed'"), Reaction.environment == environment)
    return connection.execute(failed).scalar_one()


def _last_answer(connection: Connection, subscriber: str) -> str | None:
    """Return the result of the last attempt at the oldest pending reaction that was tried before."""
    tried = select(Reaction.answers).where(
        Reaction.subscriber == subscriber, Reaction.status == ReactionStatus.PENDING, Reaction.attempts > 0
    )
    answers = connection.scalars(tried.order_by(Reaction.number).limit(1)).one_or_none()
    return answers[-1]["said"] if answers else None
