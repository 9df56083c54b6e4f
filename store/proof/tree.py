"""The tree of the log, as it is kept in the database."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from store.database import bulk
from store.database.log_tables import Leaf, Tile
from store.proof.merkle import Tree


def tree(connection: Connection) -> Tree:
    """Return the tree of all leaves."""
    return beginning(connection, size(connection))


def beginning(connection: Connection, size: int) -> Tree:
    """Return the tree of the first leaves."""
    return Tree(size, lambda level, place: _read_tile(connection, level, place))


def size(connection: Connection) -> int:
    """Return how many leaves there are."""
    last = connection.execute(select(func.max(Leaf.number))).scalar_one()
    return 0 if last is None else last + 1


def save(connection: Connection, tiles: Mapping[tuple[int, int], bytes]) -> None:
    """Write tiles that changed."""
    rows = [{"level": level, "place": place, "hashes": hashes} for (level, place), hashes in tiles.items()]
    bulk.insert(connection, Tile, rows, over=("level", "place"))


def _read_tile(connection: Connection, level: int, place: int) -> bytes:
    """Return a tile; empty if it is missing, which makes every root that needs it another one."""
    found = connection.execute(select(Tile.hashes).where(Tile.level == level, Tile.place == place)).scalar_one_or_none()
    return found or b""
