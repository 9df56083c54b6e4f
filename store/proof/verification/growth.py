"""Growth: the tree recomputed from the leaves, one after another, and compared with its kept hashes and its signed roots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from sqlalchemy import Connection, and_, func, select

from store.database.log_tables import Tile
from store.proof.merkle import HASH_BYTES, TILE_HEIGHT, TILE_WIDTH, Tree
from store.proof.verification.faults import LEAF, TILE, Fault
from store.proof.verification.pages import readable
from store.proof.verify import EMPTY_ROOT, node_hash


class Growth:
    """A tree that grows by leaves. It holds the roots of its full subtrees, and the hashes that are not compared yet."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []
        #: By level: the place of the first hash that is held, and the hashes; and up to which place they are compared.
        self._levels: list[tuple[int, list[bytes]]] = [(0, [])]
        self._compared: list[int] = [0]

    @classmethod
    def of(cls, tree: Tree) -> Growth:
        """Return a tree that goes on after the leaves of another, whose hashes are taken for right."""
        grown = cls()
        grown.size, grown._peaks = tree.size, tree.peaks()
        grown._levels, grown._compared, size = [], [], tree.size
        while size or not grown._levels:
            held = size % TILE_WIDTH
            grown._compared.append(size)
            grown._levels.append((size - held, tree.hashes(len(grown._levels), size - held, size)))
            size //= TILE_WIDTH
        return grown

    def add(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        self._levels[0][1].append(leaf)
        rest, height, node, peaks = self.size, 0, leaf, self._peaks
        while rest & 1:
            node = sha256(b"\1" + peaks.pop() + node).digest()
            rest >>= 1
            height += 1
            if height % TILE_HEIGHT == 0:
                self._keep(height // TILE_HEIGHT, node)
        peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return EMPTY_ROOT
        *rest, node = self._peaks
        for left in reversed(rest):
            node = node_hash(left, node)
        return node

    def compare(self, connection: Connection) -> Iterator[Fault]:
        """Compare the hashes that were added with the tiles; yield those that differ. Full tiles are let go of."""
        for level, (first, hashes) in enumerate(self._levels):
            last = (first + len(hashes) - 1) // TILE_WIDTH
            tiles = _tiles(connection, level, first // TILE_WIDTH, last)
            for place in range(first // TILE_WIDTH, last + 1):
                start = place * TILE_WIDTH - first
                known = self._compared[level] - place * TILE_WIDTH
                yield from _differing(level, place, hashes[start : start + TILE_WIDTH], tiles.get(place, b""), known=known)
            self._compared[level] = first + len(hashes)
            done = len(hashes) // TILE_WIDTH * TILE_WIDTH
            self._levels[level] = (first + done, hashes[done:])

    def beyond(self, connection: Connection) -> Iterator[Fault]:
        """Yield the tiles that have more than a tree of this size has. Only while nothing is appended."""
        last = select(Tile.level, func.max(Tile.place).label("place")).group_by(Tile.level).subquery()
        newest = select(Tile).join(last, and_(Tile.level == last.c.level, Tile.place == last.c.place))
        query = newest.with_only_columns(Tile.level, Tile.place, func.length(Tile.hashes)).order_by(Tile.level)
        for level, place, length in connection.execute(query):
            if place * TILE_WIDTH + length // HASH_BYTES > self.size >> (TILE_HEIGHT * level):
                yield Fault(TILE, f"{level}/{place}", "it has hashes beyond the last leaf")

    def _keep(self, level: int, node: bytes) -> None:
        if level == len(self._levels):
            self._levels.append((0, []))
            self._compared.append(0)
        self._levels[level][1].append(node)


def _tiles(connection: Connection, level: int, first: int, last: int) -> dict[int, bytes]:
    query = select(Tile.place, Tile.hashes).where(Tile.level == level)

    def read(places: Sequence[int]) -> dict[int, bytes]:
        found = connection.execute(query.where(Tile.place >= places[0], Tile.place <= places[-1]))
        return {place: bytes(hashes) for place, hashes in found}

    return readable(read, range(first, last + 1)) if last >= first else {}


def _differing(level: int, place: int, hashes: Sequence[bytes], tile: bytes, *, known: int) -> Iterator[Fault]:
    """Yield the hashes of a tile that differ, but for the first, which are known already."""
    if tile.startswith(b"".join(hashes)):
        return
    kept = [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]
    for at, computed in enumerate(hashes):
        if at >= known and (at >= len(kept) or kept[at] != computed):
            if level == 0:
                yield Fault(LEAF, str(place * TILE_WIDTH + at), "it is not the leaf of which the tree has the hash")
            else:
                yield Fault(TILE, f"{level}/{place}", "its hashes are not those of the leaves")
                return
