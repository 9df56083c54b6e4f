"""The queue of the log: rows that have no number which shows that they are new, and rows that were erased after they were logged.

Whoever writes or erases such a row adds it here, in the same transaction. The sequencer takes it from here within seconds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, delete, select, update

from store.database import bulk
from store.database.log_tables import Leaf, Unlogged
from store.proof import contents, leaves
from store.proof.contents import Row
from store.proof.kinds import SOURCES, LeafKind, key_of, row_column
from store.proof.leaves import NewLeaf

#: Entries that one pass takes.
AT_ONCE = 1000

#: Rows that one statement looks for.
ROWS_AT_ONCE = 1000

#: The number of a row, or its id where it has no number.
Key = TypeVar("Key", int, str)


def add(connection: Connection, kind: LeafKind, *ids: str) -> None:
    """Have rows logged that have an id, and no number: holds and erasures, at each of their stages."""
    _write(connection, kind, dict.fromkeys(ids), erased=False)


def add_erased(connection: Connection, kind: LeafKind, rows: Collection[Key], *, erasure_id: str | None) -> None:
    """Record that rows were erased, by their numbers or ids: their leaves are emptied, and what is left of the rows is logged.

    The secrets of the leaves are deleted now: once this transaction has committed, nothing of a row can be guessed from its commitment.
    `erasure_id`: the erasure; None: a rule of RETENTION about events or acts."""
    _add_erased(connection, kind, dict.fromkeys(rows, erasure_id))


def add_erased_by_several(connection: Connection, kind: LeafKind, erased: Iterable[tuple[Key, str]]) -> None:
    """Record the same of rows with the erasure of each. Of several erasures of one row, the one that was asked for first counts."""
    last_first = sorted(erased, key=lambda one: one[1], reverse=True)
    _add_erased(connection, kind, dict(last_first))


def _add_erased(connection: Connection, kind: LeafKind, erasure_of: Mapping[Key, str | None]) -> None:
    rows = sorted(erasure_of)
    _write(connection, kind, {row: erasure_of[row] for row in rows}, erased=True)
    for some in bulk.parts(rows, ROWS_AT_ONCE):
        _forget_secrets(connection, kind, some)


def _write(connection: Connection, kind: LeafKind, erasure_of: Mapping[Key, str | None], *, erased: bool) -> None:
    column, other = ("row", "row_id") if SOURCES[kind].is_numbered else ("row_id", "row")
    fixed = {"kind": kind, other: None, "erased": erased}
    rows = [{column: row, "erasure_id": erasure_id, **fixed} for row, erasure_id in erasure_of.items()]
    bulk.insert(connection, Unlogged, rows)


def _forget_secrets(connection: Connection, kind: LeafKind, rows: Sequence[Key]) -> None:
    column = row_column(Leaf, kind)
    theirs = update(Leaf).where(Leaf.kind == kind, column.in_(rows), Leaf.secret.is_not(None))
    connection.execute(theirs.values(secret=None))


# what waits ----------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A row of the queue."""

    id: int
    kind: LeafKind
    key: int | str
    erased: bool
    erasure_id: str | None


def waiting(connection: Connection) -> list[Entry]:
    """Return what waits in the queue. This is read before any row: a row that is erased after that has its leaf emptied by the next pass,
    and would have none yet in this one."""
    found = connection.execute(select(Unlogged.__table__).order_by(Unlogged.id).limit(AT_ONCE)).all()
    return [Entry(row.id, LeafKind(row.kind), key_of(row), row.erased, row.erasure_id) for row in found]


def leaves_for(connection: Connection, entries: Sequence[Entry], logged: set[tuple[LeafKind, int | None]]) -> list[NewLeaf]:
    """Return leaves for what waits in the queue, and take it from there: rows as they are now, and a leaf for each erasure that emptied
    leaves. `logged`: the numbered rows that this pass logs besides."""
    if not entries:
        return []
    before = _leaves_of(connection, [one for one in entries if one.erased])
    emptied: dict[str | None, set[int]] = {}
    wanted: dict[LeafKind, dict[int | str, None]] = {}
    for one in entries:
        numbers = before.get((one.kind, one.key), ())
        emptied.setdefault(one.erasure_id, set()).update(numbers)
        if not one.erased or (numbers and (one.kind, one.key) not in logged):
            wanted.setdefault(one.kind, {})[one.key] = None
    new = [leaves.of_row(kind, row) for kind, keys in wanted.items() for row in _in_order(keys, contents.read(connection, kind, keys))]
    new += [_emptying(erasure_id, numbers) for erasure_id, numbers in _each_once(emptied) if numbers]
    connection.execute(delete(Unlogged).where(Unlogged.id.in_([one.id for one in entries])))
    return new


def _leaves_of(connection: Connection, entries: Sequence[Entry]) -> dict[tuple[LeafKind, int | str], list[int]]:
    """Return the numbers of the leaves that rows have, and that are not emptied yet."""
    found: dict[tuple[LeafKind, int | str], list[int]] = {}
    for kind in {one.kind for one in entries}:
        column = row_column(Leaf, kind)
        keys = list(dict.fromkeys(one.key for one in entries if one.kind == kind))
        for some in bulk.parts(keys, 500):
            query = select(column.label("key"), Leaf.number).where(Leaf.kind == kind, column.in_(some), Leaf.emptied_by.is_(None))
            for row in connection.execute(query):
                found.setdefault((kind, row.key), []).append(row.number)
    return found


def _in_order(keys: Iterable[int | str], rows: dict[int | str, Row]) -> Iterable[Row]:
    return (rows[key] for key in keys if key in rows)


def _each_once(emptied: dict[str | None, set[int]]) -> Iterable[tuple[str | None, set[int]]]:
    """Yield each erasure with the leaves that it emptied: of two in one pass that concern the same leaf, the first has it."""
    taken: set[int] = set()
    for erasure_id, numbers in emptied.items():
        yield erasure_id, numbers - taken
        taken |= numbers


def _emptying(erasure_id: str | None, numbers: set[int]) -> NewLeaf:
    return NewLeaf(kind=LeafKind.EMPTIED, commitment=contents.commit_to_list(erasure_id, numbers), row_id=erasure_id, empties=numbers)
