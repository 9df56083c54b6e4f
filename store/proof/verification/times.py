"""Back-dated: a row whose own time is earlier than its leaf by more than the log may be behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from store.database.log_tables import Epoch, Leaf, LogStop
from store.proof.kinds import SOURCES, LeafKind, key_column, row_column

#: How much earlier a row's own time may be than its leaf.
LATE_MAX = timedelta(minutes=5)

#: The clocks of hosts, and the end of a pass, may differ by so much.
CLOCKS = timedelta(seconds=30)


class Times:
    """What excuses a late leaf: the log did not run, or the row is older than the log."""

    def __init__(self, connection: Connection, *, start: int = 0) -> None:
        """`start`: the first leaf that is asked about."""
        self._stops: Sequence[Any] = connection.execute(select(LogStop.id, LogStop.since, LogStop.until).order_by(LogStop.since)).all()
        began = connection.execute(select(func.min(Epoch.began_at))).scalar_one()
        first = connection.execute(select(Leaf.at).where(Leaf.number == 0)).scalar_one_or_none()
        self._began: datetime | None = min((at for at in (began, first) if at is not None), default=None)
        #: The kinds of which a row was logged that is not older than the log.
        self._has_new = {kind for kind in SOURCES if self._is_new(self._newest(connection, kind, start))}

    def is_back_dated(self, kind: LeafKind, row: Mapping[Any, Any], at: datetime) -> bool:
        """Return whether a row says a time that is too early for its first leaf. To be asked in the order of the leaves."""
        own: datetime | None = row[SOURCES[kind].own_time] if SOURCES[kind].own_time else None
        if own is None:
            return False
        if self._is_new(own):
            self._has_new.add(kind)
        if at - own <= LATE_MAX or (kind == LeafKind.EVENT and row.get("spooled")):
            return False
        if self._began and own < self._began and kind not in self._has_new:
            return False  # It was there before the log.
        return at - own - self._stopped(own, at) > LATE_MAX

    def is_false_stop(self, stop: Mapping[Any, Any], logged_at: datetime) -> bool:
        """Return whether a leaf was appended in a time in which nothing is said to have been logged. `logged_at`: the last time of a leaf
        before that of the stop."""
        return bool(logged_at > stop["since"] + CLOCKS)

    def _is_new(self, own: datetime | None) -> bool:
        """Return whether a row is certainly not older than the log."""
        return self._began is not None and own is not None and own >= self._began + LATE_MAX

    def _newest(self, connection: Connection, kind: LeafKind, start: int) -> datetime | None:
        """Return the own time of the row of the last leaf of a kind before another leaf."""
        if not start or not SOURCES[kind].own_time:
            return None
        last = select(row_column(Leaf, kind)).where(Leaf.kind == kind, Leaf.number < start).order_by(Leaf.number.desc()).limit(1)
        own_time = getattr(SOURCES[kind].table, SOURCES[kind].own_time)
        found: datetime | None = connection.execute(select(own_time).where(key_column(kind) == last.scalar_subquery())).scalar_one_or_none()
        return found

    def _stopped(self, start: datetime, end: datetime) -> timedelta:
        """Return for how long nothing was logged between two times."""
        return sum((max(min(end, stop.until) - max(start, stop.since), timedelta()) for stop in self._stops), timedelta())
