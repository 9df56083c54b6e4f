"""The Merkle tree of RFC 6962 (section 2): its hashes, kept in tiles, and the proofs that are read from them.

A tile holds up to 256 hashes of one level, side by side. Level 0 are the leaves; each hash of the level above is the root of a full tile.
What is inside a tile is computed, so that a row of the database is kept for 256 leaves, and not for each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from store.proof.verify import EMPTY_ROOT, node_hash

HASH_BYTES, TILE_HEIGHT = 32, 8

TILE_WIDTH = 2**TILE_HEIGHT

#: The hashes of a tile, by its level and place.
ReadTile = Callable[[int, int], bytes]


class Tree:
    """A tree of so many leaves. Its tiles are read when they are needed, each once."""

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self.size = size
        self._read_tile = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree, or of its first leaves."""
        size = self.size if size is None else size
        return self._root(0, size) if size else EMPTY_ROOT

    def inclusion(self, number: int, size: int) -> list[bytes]:
        """Return the proof that a leaf is in the tree of the first `size` leaves, from the leaf's sibling up (RFC 6962, 2.1.1)."""
        if not 0 <= number < size <= self.size:
            raise ValueError("there is no such leaf in a tree of that size")
        start, end, path = 0, size, []
        while end - start > 1:
            middle = start + _split(end - start)
            if number < middle:
                path.append(self._root(middle, end))
                end = middle
            else:
                path.append(self._root(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, old: int, size: int) -> list[bytes]:
        """Return the proof that the first `old` leaves are the beginning of the first `size` leaves (RFC 6962, 2.1.2). It is empty where
        one of them is empty, or both are the same."""
        if not 0 <= old <= size <= self.size:
            raise ValueError("there is no tree of that size")
        if old in (0, size):
            return []
        start, end, path, is_whole = 0, size, [], True
        while old != end:
            middle = start + _split(end - start)
            if old <= middle:
                path.append(self._root(middle, end))
                end = middle
            else:
                path.append(self._root(start, middle))
                start, is_whole = middle, False
        return ([] if is_whole else [self._root(start, end)]) + path[::-1]

    def peaks(self) -> list[bytes]:
        """Return the roots of the full subtrees that all leaves make up, the largest first."""
        found, start = [], 0
        for height in reversed(range(self.size.bit_length())):
            if self.size >> height & 1:
                found.append(self._node(height, start >> height))
                start += 1 << height
        return found

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Return hashes of one tile, by their places in its level; an empty one for each that is missing."""
        tile = self._tile(level, start // TILE_WIDTH) if end > start else b""
        offset = start - start % TILE_WIDTH
        return [tile[(at - offset) * HASH_BYTES : (at - offset + 1) * HASH_BYTES] for at in range(start, end)]

    def append(self, hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
        """Add leaves by their hashes; return the tiles that changed, each whole."""
        changed: dict[tuple[int, int], bytes] = {}
        level, start, added = 0, self.size, list(hashes)
        self.size += len(added)
        while added:
            end = start + len(added)
            for place in range(start // TILE_WIDTH, (end - 1) // TILE_WIDTH + 1):
                begin = place * TILE_WIDTH
                first, last = max(start, begin), min(end, begin + TILE_WIDTH)
                kept = self._tile(level, place)[: (first - begin) * HASH_BYTES] if first > begin else b""
                changed[level, place] = self._tiles[level, place] = kept + b"".join(added[first - start : last - start])
            added = [self._full_tile(level, place) for place in range(start // TILE_WIDTH, end // TILE_WIDTH)]
            level, start = level + 1, start // TILE_WIDTH
        return changed

    def _root(self, start: int, end: int) -> bytes:
        """Return the root of the leaves from `start` on, before `end`: a part of the tree that RFC 6962 splits off."""
        size = end - start
        if size & (size - 1) == 0:
            return self._node(size.bit_length() - 1, start // size)
        middle = start + _split(size)
        return node_hash(self._root(start, middle), self._root(middle, end))

    def _node(self, height: int, place: int) -> bytes:
        """Return the root of 2**height leaves: the one at that place."""
        level, inner = divmod(height, TILE_HEIGHT)
        if inner == 0:
            tile, at = divmod(place, TILE_WIDTH)
            return self._tile(level, tile)[at * HASH_BYTES : (at + 1) * HASH_BYTES]
        found = self._nodes.get((height, place))
        if found is None:
            found = node_hash(self._node(height - 1, 2 * place), self._node(height - 1, 2 * place + 1))
            self._nodes[height, place] = found
        return found

    def _full_tile(self, level: int, place: int) -> bytes:
        hashes = self._tile(level, place)
        row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        return row[0]

    def _tile(self, level: int, place: int) -> bytes:
        if (level, place) not in self._tiles:
            self._tiles[level, place] = self._read_tile(level, place)
        return self._tiles[level, place]


def _split(size: int) -> int:
    """Return the largest power of two that is smaller than a size."""
    return 1 << (size - 1).bit_length() - 1
