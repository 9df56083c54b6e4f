"""Pages: leaves that are read together, and the rows that they lead to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import aliased

from store.database import bulk
from store.database.log_tables import Leaf
from store.database.tables import EventRow
from store.proof import contents
from store.proof.kinds import SOURCES, LeafKind, key_column, row_column

#: Leaves that are read together. The bodies of their events are in memory at the same time.
PAGE = 2000

#: Keys that one query names.
KEYS_AT_ONCE = 500

Key = int | str

K = TypeVar("K")
V = TypeVar("V")


class KeptLeaf(NamedTuple):
    """A leaf as it is kept."""

    number: int
    kind: str
    at: datetime
    commitment: bytes
    secret: bytes | None
    row: int | None
    row_id: str | None
    emptied_by: int | None

    @property
    def key(self) -> Key:
        """Return the number or the id of its row."""
        return self.row if self.row is not None else self.row_id or ""


class Emptied(NamedTuple):
    """A leaf of a row that is emptied."""

    number: int
    at: datetime
    #: The time of the leaf that emptied it.
    emptied_at: datetime | None


def readable(read: Callable[[Sequence[K]], dict[K, V]], keys: Sequence[K]) -> dict[K, V]:
    """Return what is read, by keys in their order. What holds a value that is not of its column's type is left out: whoever alters tables
    writes what no code of ours would, and the rest is read all the same."""
    try:
        return read(keys)
    except (ValueError, TypeError, AttributeError, OverflowError, DataError):
        half = len(keys) // 2
        return readable(read, keys[:half]) | readable(read, keys[half:]) if half else {}


def leaves(connection: Connection, start: int, end: int) -> list[KeptLeaf]:
    """Return the leaves from one number to another, which is left out, in their order."""
    query = select(*(getattr(Leaf, name) for name in KeptLeaf._fields)).order_by(Leaf.number)

    def read(numbers: Sequence[int]) -> dict[int, KeptLeaf]:
        found = connection.execute(query.where(Leaf.number >= numbers[0], Leaf.number <= numbers[-1]))
        return {leaf.number: leaf for row in found if isinstance((leaf := KeptLeaf(*row)).commitment, bytes)}

    return list(readable(read, range(start, end)).values()) if end > start else []


def by_kind(page: Sequence[KeptLeaf]) -> dict[LeafKind, list[KeptLeaf]]:
    """Return leaves by their kinds; those of no kind that is known are left out."""
    found: dict[LeafKind, list[KeptLeaf]] = {}
    for leaf in page:
        if leaf.kind in _KINDS:
            found.setdefault(_KINDS[leaf.kind], []).append(leaf)
    return found


def rows(connection: Connection, kind: LeafKind, keys: Collection[Key]) -> dict[Key, Mapping[Any, Any]]:
    """Return the rows of a kind, by their keys, as far as they can be read."""
    source, query = SOURCES[kind], contents.rows_of(kind)

    def read(some: Sequence[Key]) -> dict[Key, Mapping[Any, Any]]:
        found = (connection.execute(query.where(condition)).mappings() for condition in _conditions(key_column(kind), some))
        return {row[source.key]: row for rows in found for row in rows}

    return readable(read, list(keys))


def emptied_leaves(connection: Connection, kind: LeafKind, keys: Collection[Key]) -> dict[Key, list[Emptied]]:
    """Return the emptied leaves of those of the rows that have one, in their order."""
    column, by = row_column(Leaf, kind), aliased(Leaf)
    query = select(column, Leaf.number, Leaf.at, by.at).outerjoin(by, by.number == Leaf.emptied_by)
    query = query.where(Leaf.kind == kind, Leaf.emptied_by.is_not(None)).order_by(Leaf.number)
    found: dict[Key, list[Emptied]] = {}
    for condition in _conditions(column, keys):
        for key, *leaf in connection.execute(query.where(condition)):
            found.setdefault(key, []).append(Emptied(*leaf))
    return found


def name_of(connection: Connection, kind: str, key: Key | None) -> str:
    """Return the id by which a fault names a row."""
    if kind != LeafKind.EVENT:
        return str(key)
    found = connection.execute(select(EventRow.id).where(EventRow.sequence == key)).scalar_one_or_none()
    return found or f"number {key}"


def _conditions(column: Any, keys: Collection[Key]) -> list[Any]:
    """Return conditions that are met by the keys: a range where they leave few out of it."""
    numbers = [key for key in keys if isinstance(key, int)]
    if numbers and len(numbers) == len(keys) and max(numbers) - min(numbers) < 2 * len(numbers):
        return [column.between(min(numbers), max(numbers))]
    return [column.in_(some) for some in bulk.parts(list(keys), KEYS_AT_ONCE)]


_KINDS = {kind.value: kind for kind in LeafKind}
