"""What the log must hear of: the rows whose committed columns changed, found by comparing all rows with themselves, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from store import database
from store.database.log_tables import Leaf, Unlogged
from store.proof import contents
from store.proof.kinds import SOURCES, LeafKind
from tests.support.proof.log import log_all

#: The kinds of rows that others write than the log itself.
KINDS = [kind for kind in SOURCES if kind not in (LeafKind.EPOCH, LeafKind.STOP)]

#: A row, by its kind and its number or id.
Row = tuple[LeafKind, int | str]


@dataclass
class Heard:
    """What a transaction, or several, changed."""

    #: The rows that were erased, or that changed, with the erasure that is named for it in the queue.
    erased: dict[Row, str | None] = field(default_factory=dict)
    new: set[Row] = field(default_factory=set)

    def count(self, kind: LeafKind) -> int:
        """How many rows of a kind were erased."""
        return sum(one == kind for one, _ in self.erased)


def committed() -> dict[Row, bytes]:
    """What a leaf would commit to, of each row, under one secret for all. Stages that have not come are left out."""
    with database.reading() as connection:
        return {
            (kind, row[SOURCES[kind].key]): contents.commit(kind, row, secret=bytes(32)).digest
            for kind in KINDS
            for row in connection.execute(contents.rows_of(kind)).mappings()
            if row[SOURCES[kind].own_time] is not None
        }


@contextmanager
def heard() -> Iterator[Heard]:
    """Check that the log hears of what is done inside: exactly of the rows that changed or vanished, and of the new ones without a number.
    The queue is emptied before."""
    log_all()
    before, found = committed(), Heard()
    yield found
    after, queue = committed(), _queue()
    changed = {row for row, digest in before.items() if after.get(row) != digest}
    found.new = after.keys() - before.keys()
    found.erased = {row: erasure_id for row, is_erased, erasure_id in queue if is_erased}
    assert found.erased.keys() - found.new == changed
    assert {row for row, is_erased, _ in queue if not is_erased} == {row for row in found.new if not SOURCES[row[0]].is_numbered}
    assert changed.isdisjoint(_with_secret())
    log_all()
    check_log()


def check_log() -> None:
    """Check that the newest leaf of each row opens to the row as it is, and that every other leaf is emptied and has no secret."""
    with database.reading() as connection:
        rows: dict[Row, Any] = {
            (kind, row[SOURCES[kind].key]): row for kind in KINDS for row in connection.execute(contents.rows_of(kind)).mappings()
        }
        leaves = connection.execute(select(Leaf.__table__).where(Leaf.kind.in_(KINDS)).order_by(Leaf.number)).all()
    newest = {_row_of(leaf): leaf for leaf in leaves}
    for leaf in leaves:
        row = _row_of(leaf)
        if leaf.number == newest[row].number and row in rows:
            assert leaf.emptied_by is None, row
            assert contents.holds(row[0], rows[row], leaf.commitment, leaf.secret), row
        else:
            assert leaf.emptied_by is not None, row
            assert leaf.secret is None, row
    assert newest.keys() >= committed().keys()


def is_all_logged() -> bool:
    """Whether nothing waits for a sequencer that runs."""
    with database.reading() as connection:
        with_leaf = {_row_of(leaf) for leaf in connection.execute(select(Leaf.kind, Leaf.row, Leaf.row_id).where(Leaf.kind.in_(KINDS)))}
    return _queue() == [] and with_leaf >= committed().keys()


def _queue() -> list[tuple[Row, bool, str | None]]:
    with database.reading() as connection:
        found = connection.execute(select(Unlogged.__table__).order_by(Unlogged.id)).all()
    return [(_row_of(one), one.erased, one.erasure_id) for one in found]


def _with_secret() -> set[Row]:
    """The rows whose leaves can be opened with what lies beside them."""
    with database.reading() as connection:
        return {_row_of(leaf) for leaf in connection.execute(select(Leaf.__table__).where(Leaf.secret.is_not(None)))}


def _row_of(leaf: Any) -> Row:
    return LeafKind(leaf.kind), leaf.row if leaf.row_id is None else leaf.row_id
