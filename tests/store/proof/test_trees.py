"""Trees and their proofs, held to the definitions of RFC 6962, section 2.1, written here as they stand there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as drawn

from store.proof import verify
from store.proof.merkle import Tree
from tests.support.generated import samples

#: Trees of more than one tile, and of more than one level of tiles, are drawn too.
SIZES = drawn.one_of(drawn.integers(0, 40), drawn.integers(250, 520), drawn.sampled_from([65535, 65536, 65537, 66049]))

Path = list[bytes]


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"\0" + b"leaf %d" % number).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Defined:
    """MTH, PATH and SUBPROOF of the RFC over the leaves from `start` to `end`; a subtree is computed once."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        if end == start:
            return hashlib.sha256(b"").digest()
        if end - start == 1:
            return leaf(start)
        if (start, end) not in self.known:
            middle = start + split(end - start)
            self.known[start, end] = node(self.root(start, middle), self.root(middle, end))
        return self.known[start, end]

    def path(self, number: int, start: int, end: int) -> Path:
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if number < middle:
            return [*self.path(number, start, middle), self.root(middle, end)]
        return [*self.path(number, middle, end), self.root(start, middle)]

    def subproof(self, old: int, start: int, end: int, *, is_whole: bool = True) -> Path:
        """`old`: a number of leaves of all, not of those from `start` on."""
        if old == end:
            return [] if is_whole else [self.root(start, end)]
        middle = start + split(end - start)
        if old <= middle:
            return [*self.subproof(old, start, middle, is_whole=is_whole), self.root(middle, end)]
        return [*self.subproof(old, middle, end, is_whole=False), self.root(start, middle)]


def split(size: int) -> int:
    """The largest power of two that is smaller than a size."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


DEFINED = Defined()


class Kept:
    """The tiles of a tree, as a database would keep them."""

    def __init__(self) -> None:
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def append(self, count: int) -> None:
        tree = self.tree()
        self.tiles |= tree.append([leaf(number) for number in range(self.size, self.size + count)])
        self.size += count
        assert tree.size == self.size

    def tree(self) -> Tree:
        return Tree(self.size, lambda level, place: self.tiles.get((level, place), b""))


def kept(size: int, *batches: int) -> Tree:
    log = Kept()
    for count in batches:
        log.append(min(count, size - log.size))
    log.append(size - log.size)
    return log.tree()


@samples.properties(examples=300)
@given(size=SIZES, batches=drawn.lists(drawn.integers(0, 300), max_size=5), data=drawn.data())
def test_roots_and_paths_are_those_of_the_definition(size: int, batches: list[int], data: drawn.DataObject) -> None:
    tree = kept(size, *batches)
    part = data.draw(drawn.integers(0, size))
    old = data.draw(drawn.integers(0, part))
    assert tree.root() == DEFINED.root(0, size)
    assert tree.root(part) == DEFINED.root(0, part)
    assert tree.consistency(old, part) == (DEFINED.subproof(old, 0, part) if old else [])
    if part:
        number = data.draw(drawn.integers(0, part - 1))
        assert tree.inclusion(number, part) == DEFINED.path(number, 0, part)


@samples.properties(examples=300)
@given(size=SIZES.filter(bool), data=drawn.data())
def test_the_verifier_takes_exactly_these_paths(size: int, data: drawn.DataObject) -> None:
    number = data.draw(drawn.integers(0, size - 1))
    path, root = DEFINED.path(number, 0, size), DEFINED.root(0, size)
    assert verify.inclusion_root(leaf(number), number, size, path) == root
    for wrong in damaged(path, root):
        assert refused(lambda wrong=wrong: verify.inclusion_root(leaf(number), number, size, wrong) != root)
    for other in {number - 1, number + 1, number ^ 2, number + size} - {number}:
        assert refused(lambda other=other: verify.inclusion_root(leaf(number), other, size, path) != root)
    for other in {size * 2, size // 2, 0} - {size}:
        if len(DEFINED.path(0, 0, other) if other else []) != len(path):
            assert refused(lambda other=other: verify.inclusion_root(leaf(number), number, other, path) != root)


@samples.properties(examples=300)
@given(size=SIZES.filter(bool), data=drawn.data())
def test_the_verifier_takes_exactly_these_consistency_paths(size: int, data: drawn.DataObject) -> None:
    old = data.draw(drawn.integers(1, size))
    path, old_root, root = DEFINED.subproof(old, 0, size), DEFINED.root(0, old), DEFINED.root(0, size)
    assert verify.consistency_roots(old, size, path, old_root) == (old_root, root)
    for wrong in damaged(path, root):
        assert refused(lambda wrong=wrong: verify.consistency_roots(old, size, wrong, old_root) != (old_root, root))
    for roots in {(root, old_root), (old_root, leaf(0)), (leaf(1), root)} - {(old_root, root)}:
        assert refused(lambda roots=roots: verify.consistency_roots(old, size, path, roots[0]) != roots)
    for other in {old - 1, old + 1, size + 1} - {old}:
        assert refused(lambda other=other: verify.consistency_roots(other, size, path, old_root) != (old_root, root))


def damaged(path: Path, root: bytes) -> Iterator[Path]:
    """Paths that are longer, shorter, in another order or altered."""
    yield [*path, root]
    yield [root, *path]
    for place, each in enumerate(path):
        yield [*path[:place], *path[place + 1 :]]
        yield [*path[:place], bytes([each[0] ^ 8]) + each[1:], *path[place + 1 :]]
        yield [*path[:place], each, *path[place:]]
    if len(set(path)) > 1:
        yield path[::-1]


def refused(fails: Callable[[], bool]) -> bool:
    try:
        return fails()
    except ValueError:
        return True


@pytest.mark.parametrize(("old", "size"), [(0, 1), (-1, 1), (2, 1), (1, 0), (0, 0)])
def test_no_path_leads_from_an_empty_tree_or_back(old: int, size: int) -> None:
    with pytest.raises(ValueError, match="the path does not fit the two sizes"):
        verify.consistency_roots(old, size, [], leaf(0))


@pytest.mark.parametrize(("index", "size"), [(1, 1), (0, 0), (2, 1), (-1, 1), (1, 0)])
def test_no_path_leads_to_a_leaf_outside_of_a_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="the path does not fit the leaf's index"):
        verify.inclusion_root(leaf(0), index, size, [])


def test_a_proof_that_needs_a_missing_tile_does_not_verify() -> None:
    log = Kept()
    log.append(600)
    root = log.tree().root()
    del log.tiles[0, 1]
    assert verify.inclusion_root(leaf(300), 300, 600, log.tree().inclusion(300, 600)) != root
    del log.tiles[0, 2]
    assert log.tree().root() != root
