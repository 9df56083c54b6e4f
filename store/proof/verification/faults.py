"""Faults: what in the tables is not as the log says, each with the kind and the id of a row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from store.proof.kinds import LeafKind

#: Faults that are kept by name. The rest are counted.
NAMED_MAX = 10_000

#: What a fault is about where it is no row: a leaf, hashes of the tree, a checkpoint, the log as a whole.
LEAF, TILE, CHECKPOINT, LOG = "leaf", "tile", "checkpoint", "log"


class Fault(Struct, frozen=True, order=True):
    """One thing that is not as the log says."""

    #: A `LeafKind`, or another word for what it is about.
    kind: str
    #: Our own id of the row, or the number of the leaf.
    id: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.what}"


class Faults:
    """The faults that were found, each once."""

    def __init__(self) -> None:
        #: In the order in which they were found.
        self._named: dict[Fault, None] = {}
        self.count = 0

    def add(self, kind: str, row_id: object, what: str) -> None:
        fault = Fault(str(kind), str(row_id), what)
        if fault in self._named:
            return
        self.count += 1
        if len(self._named) < NAMED_MAX:
            self._named[fault] = None

    def extend(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.add(fault.kind, fault.id, fault.what)

    @property
    def named(self) -> list[Fault]:
        return list(self._named)


def id_of(kind: LeafKind, key: int | str, row: Mapping[Any, Any] | None) -> str:
    """Return the id by which a row is named: an event by its own id, where the row is there, and all others by what they are found by."""
    if kind == LeafKind.EVENT:
        return str(row["id"]) if row else f"number {key}"
    return str(key)
