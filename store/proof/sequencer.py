"""The sequencer: gives each row that is not logged yet a leaf. One process of all hosts does so at a time, by a lease.

Changes are logged in the order of the feed, and an event before the changes that it caused: the last change is looked for before the
events, so that the event of each change up to it is found, too. Where more events wait than one pass takes, nothing else is logged in that
pass.

Events and acts are numbered when they are written and not when they are committed. A transaction that commits late shows a smaller number
after a greater one. So rows without a leaf are looked for from a number on below which every transaction has ended (`Horizon`)."""

from __future__ import annotations

import itertools
import time
from collections import deque
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, literal, select, text, update

from store import database
from store.database.log_tables import Epoch, Leaf, LogState, LogStop, Unlogged
from store.database.operations_tables import Act
from store.database.tables import EventRow, TransitionRow
from store.proof import contents, leaves, queue
from store.proof.kinds import LeafKind, key_column
from store.proof.leaves import NewLeaf
from store.system import clock, fault_points

#: Leaves of one pass, of each kind of row that may come in large numbers; and how large the bodies of its events may be.
AT_ONCE, BYTES_AT_ONCE = 1000, 16 * 1024 * 1024

#: A sequencer that has said nothing for so long has died.
SILENCE_MAX = timedelta(seconds=15)

#: A longer silence is logged as a stop: what waited meanwhile is not taken for back-dated.
STOP_LOGGED = timedelta(seconds=60)

#: How long a transaction that is numbered may take to show itself as running.
SETTLED_SECONDS = 5.0

#: The greatest numbers of all that is to be logged.
_NEWEST = select(
    *(
        select(func.max(column)).scalar_subquery()
        for column in (EventRow.sequence, TransitionRow.number, Act.id, Unlogged.id, Epoch.number, LogStop.id)
    )
)


class LeaseLost(Exception):
    """Another process logs."""


def take_lease(connection: Connection, runner: str) -> bool:
    """Take the lease, or renew it; return whether it is this process's. A long time before without a sign of life, and without a leaf, is
    recorded as a stop."""
    now, row = clock.now(), connection.execute(select(LogState.__table__).with_for_update()).one()
    seen = row.runner_seen_at
    is_free = row.runner in (None, runner) or seen is None or abs(now - seen) > SILENCE_MAX
    if not is_free:
        return False
    since = None if seen is None else max(seen, leaves.last_time(connection) or seen)
    if since is not None and now - since > STOP_LOGGED:
        connection.execute(database.insert(LogStop).values(since=since, until=now))
    connection.execute(update(LogState).values(runner=runner, runner_seen_at=now))
    return True


def give_back(connection: Connection, runner: str) -> None:
    """Let another process log at once."""
    connection.execute(update(LogState).where(LogState.runner == runner).values(runner=None))


class _Mark(NamedTuple):
    at: float
    #: Transactions with a greater number began later.
    transaction: int
    events: int
    acts: int


class Horizon:
    """Up to which events and acts every transaction has ended, as far as this process has seen."""

    def __init__(self) -> None:
        self._marks: deque[_Mark] = deque()
        #: Whether no row that is there now can be followed by one with a smaller number.
        self.is_at_end = False
        #: While there is more than a pass takes: where the next one goes on. What shows itself late before it is looked for at the end.
        self.come_to: dict[LeafKind, int] = {}

    def look(self, connection: Connection, known: tuple[int, int]) -> tuple[int, int]:
        """Return up to which event, and which act, none will show itself later: on SQLite the last ones, because whoever writes is alone
        there, and numbers are drawn in the order of commits. `known`: what was returned before, which is returned while nothing more is."""
        last = (_last(connection, EventRow.sequence), _last(connection, Act.id))
        passed = last if database.is_sqlite() or last == known else self._pass_marks(connection, last, known)
        self.is_at_end = passed == last
        return passed

    def _pass_marks(self, connection: Connection, last: tuple[int, int], known: tuple[int, int]) -> tuple[int, int]:
        """Mark the last rows of now; return those of the newest mark whose transactions have all ended."""
        running = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        oldest, next_one = connection.execute(text(running)).one()
        now, passed = time.monotonic(), known
        if not self._marks or last != (self._marks[-1].events, self._marks[-1].acts):
            self._marks.append(_Mark(now, next_one, *last))
        while self._marks and self._marks[0].transaction <= oldest and now - self._marks[0].at > SETTLED_SECONDS:
            mark = self._marks.popleft()
            passed = (mark.events, mark.acts)
        return passed


def log_some(connection: Connection, runner: str, horizon: Horizon) -> int:
    """Log what is not logged yet, at most one pass; return how many leaves were appended. Raises LeaseLost."""
    state = connection.execute(select(LogState.__table__).with_for_update()).one()
    if state.runner != runner:
        raise LeaseLost
    passed, entries = horizon.look(connection, (state.events_to, state.acts_to)), queue.waiting(connection)
    skipped, changes_to = set(horizon.come_to), _last(connection, TransitionRow.number)
    events = _new(connection, LeafKind.EVENT, horizon, after=state.events_to)
    if LeafKind.EVENT in skipped - set(horizon.come_to):
        events = _new(connection, LeafKind.EVENT, horizon, after=state.events_to)
    if LeafKind.EVENT in horizon.come_to:
        leaves.append(connection, events)
        return AT_ONCE
    acts = _new(connection, LeafKind.ACT, horizon, after=state.acts_to)
    new = [*_own(connection), *events, *_new_changes(connection, to=changes_to), *acts]
    new += queue.leaves_for(connection, entries, {(one.kind, one.row) for one in new})
    if new:
        leaves.append(connection, new)
        fault_points.reach("log written")
    if not skipped and not horizon.come_to and passed != (state.events_to, state.acts_to):
        connection.execute(update(LogState).values(events_to=passed[0], acts_to=passed[1]))
    return len(new)


def _last(connection: Connection, column: Any) -> int:
    last: int = connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
    return last


# what is new --------------------------------------------------------------------------------------------------


def _new(connection: Connection, kind: LeafKind, horizon: Horizon, *, after: int) -> list[NewLeaf]:
    """Return leaves for the next numbered rows of a kind that have none: at most so many, and so many bytes of bodies."""
    key, after = key_column(kind), max(after, horizon.come_to.pop(kind, 0))
    size = func.length(EventRow.sealed_body) if kind == LeafKind.EVENT else literal(0)
    query = select(key, size).where(key > after, ~_has_leaf(kind, key)).order_by(key).limit(AT_ONCE)
    found = connection.execute(query).all()
    sizes = itertools.accumulate(size for _, size in found)
    some = [number for (number, _), total in zip(found, sizes, strict=True) if total <= BYTES_AT_ONCE]
    some = some or [number for number, _ in found[:1]]
    if len(some) == AT_ONCE or len(some) < len(found):
        horizon.come_to[kind] = some[-1]
    rows = contents.read(connection, kind, some)
    return [leaves.of_row(kind, rows[number]) for number in some if number in rows]


def _new_changes(connection: Connection, *, to: int) -> list[NewLeaf]:
    """Return leaves for the next changes, up to one of them. The feed has no gap and shows no smaller number later."""
    last = select(func.coalesce(func.max(Leaf.row), 0)).where(Leaf.kind == LeafKind.CHANGE)
    query = contents.rows_of(LeafKind.CHANGE).where(TransitionRow.number > last.scalar_subquery(), TransitionRow.number <= to)
    rows = connection.execute(query.order_by(TransitionRow.number).limit(AT_ONCE)).mappings()
    return [leaves.of_row(LeafKind.CHANGE, row) for row in rows]


def _own(connection: Connection) -> list[NewLeaf]:
    """Return leaves for the log's own rows: epochs, and times in which nothing was logged."""
    found = []
    for kind in (LeafKind.EPOCH, LeafKind.STOP):
        query = contents.rows_of(kind).where(~_has_leaf(kind, key_column(kind))).order_by(key_column(kind))
        found += [leaves.of_row(kind, row) for row in connection.execute(query).mappings()]
    return found


def _has_leaf(kind: LeafKind, key: Any) -> Any:
    return exists().where(Leaf.kind == kind, Leaf.row == key)


def newest(connection: Connection) -> tuple[int | None, ...]:
    """Return what changes whenever there is more to be logged."""
    return tuple(connection.execute(_NEWEST).one())
