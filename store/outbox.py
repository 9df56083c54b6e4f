"""The outbox: what must happen after a change, for each subscriber, in order for each applicant, at least once.

The change's own row, written in its transaction, is the promise. Each subscriber follows the feed, which is in commit order, and writes
down what it is to do (its reactions) together with how far it has come: none is missed, none is there twice, and nothing of this
makes a change wait.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from store import bulk, clock, database, feed
from store.models import Feed, TransitionRow
from store.states import Reversal
from store.upkeep import Reaction, Subscriber

#: How long whoever claimed a reaction may take; then another tries, and the attempt counts.
LEASE = timedelta(seconds=60)

#: After so many failures in a row, of different reactions, a subscriber is left alone: first so long, then twice as long, to a limit.
FAILURES_MAX, PAUSE_BASE, PAUSE_LIMIT = 5, timedelta(seconds=5), timedelta(minutes=5)

#: Answers that a reaction remembers.
ANSWERS_MAX = 20

#: What of a change says whether somebody wants to be told of it.
FOLLOWED = (
    TransitionRow.number, TransitionRow.vendor, TransitionRow.environment, TransitionRow.reference, TransitionRow.from_status,
    TransitionRow.to_status, TransitionRow.reversal, TransitionRow.changed,
)  # fmt: skip


class Progress(StrEnum):
    """How a reaction stands."""

    PENDING = "pending"
    DONE = "done"
    #: It gave up: a person has to look.
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A reaction to do now, and the change as the feed shows it."""

    id: int
    attempts: int
    #: What was answered to earlier attempts.
    answers: list[Any]
    change: dict[str, Any]


# writing down what is to do -----------------------------------------------------------------------------------


def subscribe(connection: Connection, name: str) -> None:
    """Make a subscriber known; it is told what changes from now on."""
    new = database.insert(Subscriber).values(name=name, seen=feed.last(connection), failures=0)
    connection.execute(new.on_conflict_do_nothing())


def is_waited_for(connection: Connection, name: str) -> bool:
    """Whether there are changes to follow, or reactions to do now."""
    behind = (Subscriber.seen < select(Feed.last).scalar_subquery()).label("behind")
    due = _due(name, clock.now()).exists().label("due")
    row = connection.execute(select(behind, due, Subscriber.stopped_at, Subscriber.paused_until).where(Subscriber.name == name)).one()
    return bool(row.behind or (row.due and _is_awake(row)))


def follow(connection: Connection, name: str, wants: Callable[[Any], bool], *, most: int) -> int:
    """Write down a subscriber's reactions to the next changes; return how many changes these were. One process at a time does."""
    mine = select(Subscriber.seen).where(Subscriber.name == name)
    seen = connection.execute(mine.with_for_update(skip_locked=True)).scalar_one_or_none()
    if seen is None:
        return 0
    changes = connection.execute(select(*FOLLOWED).where(TransitionRow.number > seen).order_by(TransitionRow.number).limit(most)).all()
    if not changes:
        return 0
    wanted = [change for change in changes if wants(change)]
    bulk.insert(connection, Reaction, [_reaction(name, change) for change in wanted])
    _hurry(connection, name, [change for change in wanted if change.reversal == Reversal.ADVERSE])
    connection.execute(update(Subscriber).where(Subscriber.name == name).values(seen=changes[-1].number))
    return len(changes)


def _reaction(name: str, change: Any) -> dict[str, Any]:
    urgent = change.reversal == Reversal.ADVERSE
    afresh = {"urgent": urgent, "status": Progress.PENDING, "attempts": 0, "answers": []}
    return _whose(change) | {"subscriber": name, "number": change.number} | afresh


def _hurry(connection: Connection, name: str, adverse: list[Any]) -> None:
    """What an applicant's urgent reaction has to wait for is urgent, too."""
    if not adverse:
        return
    later = aliased(Reaction)
    theirs = bulk.among(Reaction, [_whose(change) for change in adverse])
    waits = exists().where(_of_one_applicant(later), later.subscriber == name, later.urgent, later.number > Reaction.number)
    before = update(Reaction).where(theirs, Reaction.subscriber == name, Reaction.status == Progress.PENDING, ~Reaction.urgent, waits)
    connection.execute(before.values(urgent=True))


def _whose(change: Any) -> dict[str, str]:
    return {"vendor": change.vendor, "environment": change.environment, "reference": change.reference}


def _of_one_applicant(other: type[Reaction]) -> ColumnElement[bool]:
    names = ("vendor", "environment", "reference")
    return and_(*(getattr(other, name) == getattr(Reaction, name) for name in names))


# doing it -----------------------------------------------------------------------------------------------------


def claim(connection: Connection, name: str, *, holder: str, most: int) -> list[Due]:
    """The reactions that a subscriber's turn is for: of each applicant the first that is pending, urgent ones first. To claim is to try."""
    subscriber, now = connection.execute(_subscriber(name)).one(), clock.now()
    if not _is_awake(subscriber):
        return []
    resting = subscriber.failures >= FAILURES_MAX
    query = _due(name, now).order_by(*([Reaction.attempts] if resting else []), Reaction.urgent.desc(), Reaction.number)
    found = connection.execute(query.limit(1 if resting else most).with_for_update(skip_locked=True, of=Reaction)).all()
    if not found:
        return []
    database.need_not_last(connection)
    ids = [row.id for row in found]
    values = {"attempts": Reaction.attempts + 1, "claimed_by": holder, "claimed_until": now + LEASE}
    connection.execute(update(Reaction).where(Reaction.id.in_(ids)).values(**values))
    changes = connection.execute(select(TransitionRow.__table__).where(TransitionRow.number.in_([row.number for row in found]))).all()
    epoch, _ = feed.position(connection, None)
    told = {change.number: feed.describe_entry(change, epoch) for change in changes}
    return [Due(id=row.id, attempts=row.attempts + 1, answers=row.answers, change=told[row.number]) for row in found]


def _subscriber(name: str) -> Select[Any]:
    return select(Subscriber.__table__).where(Subscriber.name == name)


def _is_awake(subscriber: Any) -> bool:
    return not subscriber.stopped_at and (subscriber.paused_until is None or subscriber.paused_until <= clock.now())


def _due(name: str, now: datetime) -> Select[int, int, int, list[Any]]:
    earlier = aliased(Reaction)
    mine = and_(_of_one_applicant(earlier), earlier.subscriber == name)
    waits = exists().where(mine, earlier.status == Progress.PENDING, earlier.number < Reaction.number)
    return select(Reaction.id, Reaction.number, Reaction.attempts, Reaction.answers).where(
        Reaction.subscriber == name,
        Reaction.status == Progress.PENDING,
        or_(Reaction.due_at.is_(None), Reaction.due_at <= now),
        or_(Reaction.claimed_until.is_(None), Reaction.claimed_until <= now),
        ~waits,
    )


def succeeded(connection: Connection, answered: Sequence[tuple[Due, str]], *, subscriber: str, holder: str) -> None:
    """Reactions are done, each with its answer. A subscriber that failed is well again.

    A power cut may undo this, and they are done again."""
    database.need_not_last(connection)
    _settle(connection, answered, holder, status=Progress.DONE, settled_at=clock.now())
    well = update(Subscriber).where(Subscriber.name == subscriber, Subscriber.failures > 0)
    connection.execute(well.values(failures=0, paused_until=None))


def failed(
    connection: Connection, due: Due, *, subscriber: str, holder: str, answer: str, retry_at: datetime | None, rest: timedelta | None
) -> None:
    """An attempt failed: it is tried again at a moment, or given up. `rest` is how long the subscriber asked to be left alone; None:
    the failure says nothing about the subscriber."""
    if retry_at is None:
        _settle(connection, [(due, answer)], holder, status=Progress.FAILED, settled_at=clock.now())
    else:
        _settle(connection, [(due, answer)], holder, due_at=retry_at)
    if rest is not None:
        _let_rest(connection, subscriber, rest, first_attempt=due.attempts == 1)


def stopped(connection: Connection, due: Due, *, subscriber: str, holder: str, answer: str) -> None:
    """The subscriber wants to be told nothing more; what is pending stays so."""
    _settle(connection, [(due, answer)], holder, due_at=clock.now())
    connection.execute(update(Subscriber).where(Subscriber.name == subscriber).values(stopped_at=clock.now()))


def _settle(connection: Connection, answered: Sequence[tuple[Due, str]], holder: str, **values: Any) -> None:
    """Note what was answered, of what the holder still holds, and let go of it."""
    said_at = clock.rfc3339(clock.now())
    rows = [
        {"id": due.id, "claimed_by": holder, "answers": [*due.answers, {"at": said_at, "said": answer}][-ANSWERS_MAX:]} | values
        for due, answer in answered
    ]
    bulk.rewrite(connection, Reaction, rows, key=("id", "claimed_by"), change={"claimed_by": "NULL", "claimed_until": "NULL"})


def _let_rest(connection: Connection, name: str, rest: timedelta, *, first_attempt: bool) -> None:
    """Count a failure, unless it is another one of a reaction that failed before while others do not; leave alone who fails often."""
    row = connection.execute(_subscriber(name).with_for_update()).one()
    failures = row.failures + (1 if first_attempt or row.failures >= FAILURES_MAX else 0)
    if failures >= FAILURES_MAX:
        rest = max(rest, min(PAUSE_BASE * 2 ** min(failures - FAILURES_MAX, 20), PAUSE_LIMIT))
    values = {"failures": failures, "paused_until": clock.now() + rest if rest else row.paused_until}
    connection.execute(update(Subscriber).where(Subscriber.name == name).values(**values))


def release(connection: Connection, name: str, *, holder: str) -> None:
    """Let go of what a process that died had claimed of a subscriber's."""
    mine = update(Reaction).where(Reaction.subscriber == name, Reaction.status == Progress.PENDING, Reaction.claimed_by == holder)
    connection.execute(mine.values(claimed_by=None, claimed_until=None))


def forget_done(connection: Connection, *, before: datetime) -> None:
    """Forget what was done long ago."""
    connection.execute(delete(Reaction).where(Reaction.status == Progress.DONE, Reaction.settled_at < before))
