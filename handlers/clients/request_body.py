"""Request bodies: pieces that are sent one after the other, so that a large one is never copied as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

Piece = bytes | bytearray | memoryview

#: How much is copied for the connection at a time.
SLICE_BYTES = 64 * 1024


class Body(Protocol):
    """A body of a known length. It can be read several times."""

    @property
    def length(self) -> int: ...

    def pieces(self) -> Iterator[Piece]:
        """Yield the body in its order."""
        ...


@dataclass(frozen=True, repr=False)
class Pieces:
    """A body that is in memory."""

    parts: tuple[Piece, ...] = ()

    @property
    def length(self) -> int:
        return sum(len(part) for part in self.parts)

    def pieces(self) -> Iterator[Piece]:
        return iter(self.parts)


NOTHING = Pieces()


def slices(body: Body) -> Iterator[bytes]:
    """Yield a body as a connection sends it, in slices of at most SLICE_BYTES."""
    for piece in body.pieces():
        view = memoryview(piece)
        for begin in range(0, len(view), SLICE_BYTES):
            yield bytes(view[begin : begin + SLICE_BYTES])


def as_json(value: object) -> Pieces:
    """Return a value as a JSON body."""
    return Pieces((msgspec.json.encode(value),))
