"""The outbox: what must happen after a change, for each subscriber, in order for each applicant, at least once.

The row of the change, written in its transaction, is the promise. Each subscriber follows the feed, which is in commit order, and
writes its reactions down together with its position in the feed. So none is missed, none is duplicated, and no change waits for this.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, and_, bindparam, exists, or_, select, update
from sqlalchemy.orm import aliased

from store import database
from store.applicants import feed
from store.database import bulk
from store.database.operations_tables import Reaction, Subscriber
from store.database.tables import EventRow, Feed, TransitionRow
from store.system import clock
from store.text import traces
from store.text.states import Reversal
from store.text.traces import Trace

#: How long whoever claimed a reaction may take; then another tries, and the attempt counts.
LEASE = timedelta(seconds=60)

#: After so many failures in a row, of different reactions, a subscriber is paused.
FAILURES_MAX = 5

#: The columns of a change that say which subscribers want it.
FOLLOWED = (
    TransitionRow.number, TransitionRow.vendor, TransitionRow.environment, TransitionRow.reference, TransitionRow.from_status,
    TransitionRow.to_status, TransitionRow.reversal, TransitionRow.changed, TransitionRow.erased_at,
)  # fmt: skip

#: Changes as the feed shows them, with the traces of their events.
TRACED = feed.ENTRIES.add_columns(EventRow.trace).join_from(TransitionRow, EventRow, EventRow.id == TransitionRow.event_id, isouter=True)


class ReactionStatus(StrEnum):
    """The state of a reaction."""

    PENDING = "pending"
    DONE = "done"
    #: It gave up: a person has to look.
    FAILED = "failed"
    #: An operator ended it, because its subscriber is configured no more.
    FORGOTTEN = "forgotten"


@dataclass(frozen=True, kw_only=True)
class Due:
    """A reaction to do now, and the change as the feed shows it."""

    id: int
    subscriber: str
    #: How the subscriber is shown.
    title: str
    #: Including this one.
    attempts: int
    #: What was answered to earlier attempts.
    answers: list[Any]
    change: dict[str, Any]
    #: The trace of the event that did it. None: no event did, or none is kept with it.
    trace: Trace | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work that waits for a group of subscribers."""

    #: Whether there are changes to follow.
    behind: bool
    #: The subscribers with a reaction to do now.
    due: frozenset[str]
    #: Whether another process, with other settings, takes one of them for retired.
    retired: bool


# writing down what is to do -----------------------------------------------------------------------------------


def subscribe(connection: Connection, name: str, *, title: str | None = None) -> None:
    """Register a subscriber, or that it is configured. A new or a forgotten one is notified of changes from now on."""
    new = database.insert(Subscriber).values(name=name, seen=feed.last(connection), failures=0, title=title)
    connection.execute(new.on_conflict_do_nothing())
    mine = update(Subscriber).where(Subscriber.name == name)
    begun = {"seen": feed.last(connection), "failures": 0, "paused_until": None, "stopped_at": None, "forgotten_at": None}
    connection.execute(mine.where(Subscriber.forgotten_at.is_not(None)).values(**begun))
    connection.execute(mine.values(title=title, retired_at=None))


def retire(connection: Connection, configured: Collection[str]) -> list[str]:
    """Record which subscribers are configured no more; return how they are shown. What is pending for them stays."""
    found = select(Subscriber.__table__).where(Subscriber.name.not_in(configured), Subscriber.retired_at.is_(None))
    rows = connection.execute(found.order_by(Subscriber.name).with_for_update()).all()
    gone = update(Subscriber).where(Subscriber.name.in_([row.name for row in rows]))
    connection.execute(gone.values(retired_at=clock.now()))
    return [shown(row) for row in rows]


def shown(subscriber: Any) -> str:
    """Return how a subscriber is shown."""
    return str(subscriber.title or subscriber.name)


def look(connection: Connection, names: Collection[str]) -> Work:
    """Return the work for some subscribers, with one query."""
    rows = connection.execute(_work(), {"names": list(names), "now": clock.now()}).all()
    due = frozenset(row.name for row in rows if row.due and is_awake(row))
    return Work(behind=any(row.behind for row in rows), due=due, retired=any(row.retired_at for row in rows))


@cache
def _work() -> Select[str, bool, bool, datetime | None, datetime | None, datetime | None]:
    behind = (Subscriber.seen < select(Feed.last).scalar_subquery()).label("behind")
    due, states = _due(Subscriber.name).exists().label("due"), (Subscriber.stopped_at, Subscriber.paused_until, Subscriber.retired_at)
    return select(Subscriber.name, behind, due, *states).where(Subscriber.name.in_(bindparam("names", expanding=True)))


def follow(connection: Connection, wants: Mapping[str, Callable[[Any], bool]], *, most: int) -> int:
    """Write down the reactions of some subscribers to the next changes; return how many changes. One process at a time does so for a
    subscriber."""
    query = select(Subscriber.name, Subscriber.seen).where(
        Subscriber.name.in_(wants), Subscriber.seen < select(Feed.last).scalar_subquery()
    )
    behind = {row.name: row.seen for row in connection.execute(query.order_by(Subscriber.name).with_for_update(skip_locked=True))}
    # One that is far behind, because it was not told for long, keeps no other waiting.
    seen = {name: number for name, number in behind.items() if number > max(behind.values()) - most}
    if not seen:
        return 0
    later = select(*FOLLOWED).where(TransitionRow.number > min(seen.values()))
    changes = connection.execute(later.order_by(TransitionRow.number).limit(most)).all()
    if not changes:
        return 0
    told = [change for change in changes if change.erased_at is None]
    wanted = [(name, change) for name in seen for change in told if change.number > seen[name] and wants[name](change)]
    bulk.insert(connection, Reaction, [_reaction(name, change) for name, change in wanted])
    _hurry(connection, list(seen), [change for _, change in wanted if change.reversal == Reversal.ADVERSE])
    last = changes[-1].number
    connection.execute(update(Subscriber).where(Subscriber.name.in_(seen), Subscriber.seen < last).values(seen=last))
    return len(changes)


def _reaction(name: str, change: Any) -> dict[str, Any]:
    urgent = change.reversal == Reversal.ADVERSE
    afresh = {"urgent": urgent, "status": ReactionStatus.PENDING, "attempts": 0, "answers": []}
    return _whose(change) | {"subscriber": name, "number": change.number} | afresh


def _hurry(connection: Connection, names: list[str], adverse: list[Any]) -> None:
    """Mark as urgent the reactions that an applicant's urgent reaction has to wait for."""
    if not adverse:
        return
    later = aliased(Reaction)
    theirs = bulk.among(Reaction, list({tuple(whose.values()): whose for whose in map(_whose, adverse)}.values()))
    same = and_(_of_one_applicant(later), later.subscriber == Reaction.subscriber)
    waits = exists().where(same, later.urgent, later.number > Reaction.number)
    before = update(Reaction).where(
        theirs, Reaction.subscriber.in_(names), Reaction.status == ReactionStatus.PENDING, ~Reaction.urgent, waits
    )
    connection.execute(before.values(urgent=True))


def _whose(change: Any) -> dict[str, str]:
    return {"vendor": change.vendor, "environment": change.environment, "reference": change.reference}


def _of_one_applicant(other: type[Reaction]) -> ColumnElement[bool]:
    names = ("vendor", "environment", "reference")
    return and_(*(getattr(other, name) == getattr(Reaction, name) for name in names))


# doing it -----------------------------------------------------------------------------------------------------


def claim(connection: Connection, most: Mapping[str, int], *, holder: str, uncounted: Collection[str] = ()) -> list[Due]:
    """Claim reactions of some subscribers, each up to its limit: per applicant the first pending one, urgent ones first.

    A claim counts as an attempt, except for the uncounted subscribers. For those an attempt counts once its result is recorded."""
    now = clock.now()
    awake = [row for row in connection.execute(select(Subscriber.__table__).where(Subscriber.name.in_(most))) if is_awake(row)]
    found = [(one, row) for one in awake for row in _next(connection, one, most[one.name], now)]
    if not found:
        return []
    database.relax_durability(connection)
    _hold(connection, [row.id for one, row in found if one.name not in uncounted], holder, now, counts=1)
    _hold(connection, [row.id for one, row in found if one.name in uncounted], holder, now, counts=0)
    numbers = {row.number for _, row in found}
    changes = connection.execute(TRACED.where(TransitionRow.number.in_(numbers))).all()
    epoch, _ = feed.position(connection, None)
    told = {change.number: (feed.describe_entry(change, epoch), traces.from_kept(change.trace)) for change in changes}
    return [_taken(one, row, *told[row.number]) for one, row in found]


def _taken(subscriber: Any, row: Any, change: dict[str, Any], trace: Trace | None) -> Due:
    names = {"subscriber": subscriber.name, "title": shown(subscriber)}
    return Due(id=row.id, **names, attempts=row.attempts + 1, answers=row.answers, change=change, trace=trace)


def _next(connection: Connection, subscriber: Any, most: int, now: datetime) -> Sequence[Any]:
    """Return the next reactions. A subscriber whose last attempt failed gets one at a time, until one succeeds."""
    mine = {"name": subscriber.name, "now": now}
    if subscriber.failures and connection.execute(select(_in_flight()), mine).scalar_one():
        return []
    query = _turn(subscriber.failures >= FAILURES_MAX)
    return connection.execute(query, mine | {"most": 1 if subscriber.failures else most}).all()


@cache
def _in_flight() -> ColumnElement[bool]:
    mine = and_(Reaction.subscriber == bindparam("name"), Reaction.status == ReactionStatus.PENDING)
    return exists().where(mine, Reaction.claimed_until > bindparam("now"))


@cache
def _turn(resting: bool) -> Select[int, int, int, list[Any]]:
    """Return the query for the next reactions of a subscriber. It is built once, because building costs more than running it."""
    order = [*([Reaction.attempts] if resting else []), Reaction.urgent.desc(), Reaction.number]
    query = _due(bindparam("name")).order_by(*order).limit(bindparam("most", type_=Integer))
    return query.with_for_update(skip_locked=True, of=Reaction)


def _hold(connection: Connection, ids: list[int], holder: str, now: datetime, *, counts: int) -> None:
    if ids:
        values = {"attempts": Reaction.attempts + counts, "claimed_by": holder, "claimed_until": now + LEASE}
        connection.execute(update(Reaction).where(Reaction.id.in_(ids)).values(**values))


def is_awake(subscriber: Any) -> bool:
    return not subscriber.stopped_at and (subscriber.paused_until is None or subscriber.paused_until <= clock.now())


def _due(name: Any) -> Select[int, int, int, list[Any]]:
    """Return the condition for reactions that are due at the parameter `now`."""
    earlier, now = aliased(Reaction), bindparam("now", type_=Reaction.due_at.type)
    mine = and_(_of_one_applicant(earlier), earlier.subscriber == name)
    waits = exists().where(mine, earlier.status == ReactionStatus.PENDING, earlier.number < Reaction.number)
    return select(Reaction.id, Reaction.number, Reaction.attempts, Reaction.answers).where(
        Reaction.subscriber == name,
        Reaction.status == ReactionStatus.PENDING,
        or_(Reaction.due_at.is_(None), Reaction.due_at <= now),
        or_(Reaction.claimed_until.is_(None), Reaction.claimed_until <= now),
        ~waits,
    )
