"""Absent leaves: rows that have no leaf, or no leaf that is not emptied, and rows that have two."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, exists, func, null, select, true

from store.database import bulk
from store.database.log_tables import Leaf
from store.database.privacy_tables import Erasure, Hold
from store.proof.kinds import SOURCES, LeafKind, key_column, row_column
from store.proof.verification import pages
from store.proof.verification.faults import Fault
from store.proof.verification.pages import KEYS_AT_ONCE, Key
from store.system import clock

#: A row may wait so long for its leaf.
WAIT_MAX = timedelta(minutes=1)

#: Rows of each kind without a leaf that are named.
ABSENT_MAX = 10_000

#: Which rows have come so far that they must have a leaf of a kind. Of all other kinds each row must.
_STAGES = {
    LeafKind.HOLD_LIFTED: Hold.lifted_at.is_not(None),
    LeafKind.ERASURE_DECIDED: Erasure.decided_at.is_not(None),
    LeafKind.ERASURE_DONE: Erasure.done_at.is_not(None),
}


class Absent(NamedTuple):
    """A row that has no leaf that is not emptied."""

    kind: LeafKind
    key: Key
    name: str
    #: When it happened, by its own account.
    at: datetime | None
    was_emptied: bool

    @property
    def may_wait(self) -> bool:
        """Return whether it is so new that the sequencer may not have found it yet."""
        return self.at is not None and abs(clock.now() - self.at) < WAIT_MAX

    def fault(self) -> Fault:
        what = "its leaf is emptied, and no newer leaf is about what is left of it" if self.was_emptied else "it is not logged"
        return Fault(self.kind, self.name, what)


def rows(connection: Connection, among: Collection[Absent] | None = None) -> Iterator[Absent]:
    """Yield the rows of every kind that have no leaf that is not emptied; of those that are given, where some are."""
    for kind, source in SOURCES.items():
        key, column = key_column(kind), row_column(Leaf, kind)
        has_leaf = exists().where(Leaf.kind == kind, column == key, Leaf.emptied_by.is_(None))
        own_time = getattr(source.table, source.own_time) if source.own_time else null()
        had_leaf = exists().where(Leaf.kind == kind, column == key)
        query = select(key, getattr(source.table, "id", key), own_time, had_leaf).where(_STAGES.get(kind, true()), ~has_leaf)
        if among is None:
            queries = [query.order_by(key).limit(ABSENT_MAX)]
        else:
            mine = [one.key for one in among if one.kind == kind]
            queries = [query.where(key.in_(some)) for some in bulk.parts(mine, KEYS_AT_ONCE)]
        for found, name, at, was_emptied in (row for one in queries for row in connection.execute(one)):
            yield Absent(kind, found, str(name), at, was_emptied)


def twice(connection: Connection) -> Iterator[Fault]:
    """Yield the rows that have two leaves that are not emptied."""
    for column in (Leaf.row, Leaf.row_id):
        query = select(Leaf.kind, column, func.count()).where(column.is_not(None), Leaf.emptied_by.is_(None), Leaf.kind != LeafKind.EMPTIED)
        for kind, key, count in connection.execute(query.group_by(Leaf.kind, column).having(func.count() > 1)):
            yield Fault(kind, pages.name_of(connection, kind, key), f"{count} leaves are about it that are not emptied")
