"""The state of the log: whether rows get their leaves, leaves are signed, checkpoints published and rows compared, in time.

Everything is found by indexes, and bounded: it is asked every second where metrics are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, exists, func, select

from store import config
from store.database.log_tables import Checkpoint, Epoch, Leaf, LogState, Unlogged
from store.proof import publications
from store.proof.kinds import SOURCES, LeafKind
from store.proof.sequencer import AT_ONCE
from store.system import clock

#: Rows without a leaf are counted so far.
COUNTED_MAX = 10_000

#: Below the last row that has a leaf, so many are looked at: a transaction that commits late shows a smaller number.
LATE_ROWS = 10_000

NOTHING = timedelta()


class LatePlace(Struct, frozen=True, kw_only=True):
    """A place of LOG_PUBLISH that should have a checkpoint and has not, or where the last attempt failed."""

    place: str
    #: For how long it should have had it.
    late: timedelta
    #: When it got one last.
    published_at: datetime | None
    error: str | None


class LogHealth(Struct, frozen=True, kw_only=True):
    """The state of the log."""

    #: Leaves, and when the first and the last were appended.
    size: int
    first_at: datetime | None
    last_at: datetime | None
    #: When a sequencer said last that it runs.
    sequencer_seen_at: datetime | None
    #: Rows without a leaf, of those that were counted, and how long the oldest has waited.
    unlogged: int
    unlogged_for: timedelta
    #: The origin of the epoch that is running. None: nothing was ever signed.
    origin: str | None
    #: The newest checkpoint.
    signed_size: int
    signed_at: datetime | None
    #: How long the oldest leaf that is not signed has waited. Zero where nothing was ever signed.
    unsigned_for: timedelta
    #: Why nothing is signed, and whether until a new epoch begins.
    stopped_because: str | None
    stopped_for_good: bool
    verified_size: int
    verified_at: datetime | None
    faults: int

    @property
    def unverified_since(self) -> datetime | None:
        """When what is new was compared with the log last; if never, when the log began."""
        return self.verified_at or self.first_at


def of(connection: Connection) -> LogHealth:
    """Return the state of the log."""
    state = connection.execute(select(LogState.__table__)).one()
    running = origin(connection)
    signed = connection.execute(_newest_checkpoints().limit(1)).one_or_none()
    first, last = (_leaf(connection, order) for order in (Leaf.number, Leaf.number.desc()))
    waiting = list(_waiting(connection, state, first))
    size, signed_size = (last.number + 1 if last else 0), (signed.size if signed else 0)
    return LogHealth(
        size=size,
        first_at=first.at if first else None,
        last_at=last.at if last else None,
        sequencer_seen_at=state.runner_seen_at,
        unlogged=sum(count for count, _ in waiting),
        unlogged_for=_longest(since for _, since in waiting),
        origin=running,
        signed_size=signed_size,
        signed_at=signed.at if signed else None,
        unsigned_for=_longest([_appended_at(connection, signed_size)]) if running else NOTHING,
        stopped_because=state.stopped_because,
        stopped_for_good=state.stopped_for_good,
        verified_size=state.verified_size,
        verified_at=state.verified_at,
        faults=state.faults,
    )


def origin(connection: Connection) -> str | None:
    """Return the origin of the epoch that is running. None: nothing was ever signed."""
    found: str | None = connection.execute(select(Epoch.origin).order_by(Epoch.number.desc()).limit(1)).scalar_one_or_none()
    return found


def late_places(connection: Connection, log: LogHealth) -> list[LatePlace]:
    """Return each place of LOG_PUBLISH, and for how long it should have had a checkpoint that it lacks. `log`: the state of the log."""
    every = config.settings().log.every
    marked = connection.execute(_newest_checkpoints().where(Checkpoint.published).limit(1)).one_or_none()
    found = []
    for one in publications.of(connection):
        since = None
        if marked and (one.epoch, one.size) != (marked.epoch, marked.size):
            since = marked.at
        elif log.signed_at and not marked:
            since = _appended_at(connection, 0)
        elif marked and log.signed_size > marked.size:
            new_at = _appended_at(connection, marked.size)
            since = max(marked.at + every, new_at) if new_at else None
        found.append(LatePlace(place=one.place, late=_longest([since]), published_at=one.published_at, error=one.error))
    return found


def _newest_checkpoints() -> Any:
    return select(Checkpoint.__table__).order_by(Checkpoint.epoch.desc(), Checkpoint.size.desc())


def _leaf(connection: Connection, order: Any) -> Any:
    return connection.execute(select(Leaf.number, Leaf.at).order_by(order).limit(1)).one_or_none()


def _appended_at(connection: Connection, number: int) -> datetime | None:
    at: datetime | None = connection.execute(select(Leaf.at).where(Leaf.number == number)).scalar_one_or_none()
    return at


def _longest(moments: Iterable[datetime | None]) -> timedelta:
    """Return how long ago the earliest of some moments was; zero if there is none."""
    earliest = min((moment for moment in moments if moment is not None), default=None)
    return max(clock.now() - earliest, NOTHING) if earliest else NOTHING


# rows without a leaf ------------------------------------------------------------------------------------------


def _waiting(connection: Connection, state: Row[Any], first: Row[Any] | None) -> Iterator[tuple[int, datetime | None]]:
    """Yield how many rows of each kind have no leaf, and since when the oldest waits: since the first leaf at the earliest."""
    for kind, logged_to in ((LeafKind.EVENT, state.events_to), (LeafKind.CHANGE, None), (LeafKind.ACT, state.acts_to)):
        count, since = _numbered(connection, kind, logged_to)
        if count:
            yield count, max(since, first.at) if first and since else since
    queued = select(Unlogged.id).limit(COUNTED_MAX).subquery()
    if count := connection.execute(select(func.count()).select_from(queued)).scalar_one():
        since = _oldest_queued(connection)
        yield count, max(since, first.at) if first and since else since


def _numbered(connection: Connection, kind: LeafKind, logged_to: int | None) -> tuple[int, datetime | None]:
    """Return how many numbered rows of a kind have no leaf, and since when the oldest waits.

    A delivery that waited in the spool was received long before it was kept. The sequencer takes each row that it sees, unless there are
    more than it takes at once: so a row after the last one that has a leaf came after that leaf."""
    source = SOURCES[kind]
    key, own_time = getattr(source.table, source.key), getattr(source.table, source.own_time)
    last = connection.execute(select(Leaf.row, Leaf.at).where(Leaf.kind == kind).order_by(Leaf.row.desc()).limit(1)).one_or_none()
    after = (last.row if last else 0) if logged_to is None else max(logged_to, (last.row if last else 0) - LATE_ROWS)
    lacking = select(key.label("key"), own_time.label("at")).where(key > after, ~exists().where(Leaf.kind == kind, Leaf.row == key))
    counted = lacking.order_by(key).limit(COUNTED_MAX).subquery()
    count = connection.execute(select(func.count()).select_from(counted)).scalar_one()
    oldest = connection.execute(lacking.order_by(key).limit(1)).one_or_none()
    if oldest is None:
        return 0, None
    is_seen = last is not None and (oldest.key < last.row or count > AT_ONCE)
    return count, oldest.at if is_seen or last is None else max(oldest.at, last.at)


def _oldest_queued(connection: Connection) -> datetime | None:
    """Return since when the first row of the queue waits: since it was written, or erased. None where the row does not say."""
    first = connection.execute(select(Unlogged.__table__).order_by(Unlogged.id).limit(1)).one_or_none()
    if first is None or LeafKind(first.kind) not in SOURCES:
        return None
    source = SOURCES[LeafKind(first.kind)]
    name = "erased_at" if first.erased else source.own_time
    if not hasattr(source.table, name):
        return None
    key, value = getattr(source.table, source.key), first.row if first.row_id is None else first.row_id
    at: datetime | None = connection.execute(select(getattr(source.table, name)).where(key == value)).scalar_one_or_none()
    return at
