"""Leaves: appended in one transaction with the hashes of the tree, each at a time that is never earlier than the one before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from sqlalchemy import Connection, select, update

from store.database import bulk
from store.database.log_tables import Leaf
from store.proof import contents, tree
from store.proof.contents import Commitment, Row
from store.proof.kinds import SOURCES, LeafKind
from store.proof.verify import leaf_hash, leaf_line
from store.system import clock

#: Leaves that one statement empties.
EMPTIED_AT_ONCE = 500


class NewLeaf(Struct, frozen=True, kw_only=True):
    """A leaf that is to be appended."""

    kind: LeafKind
    commitment: Commitment
    row: int | None = None
    row_id: str | None = None
    #: The leaves that it says are emptied.
    empties: Collection[int] = ()


def of_row(kind: LeafKind, row: Row) -> NewLeaf:
    """Return the leaf of a row as it is now."""
    key, is_numbered = row[SOURCES[kind].key], SOURCES[kind].is_numbered
    commitment = contents.commit(kind, row)
    return NewLeaf(kind=kind, commitment=commitment, row=key if is_numbered else None, row_id=None if is_numbered else key)


def append(connection: Connection, new: Sequence[NewLeaf]) -> int:
    """Append leaves, in their order; return the number of the first. The caller is the only one who appends."""
    grown = tree.tree(connection)
    first, last = grown.size, last_time(connection)
    at = max(clock.now(), last) if last else clock.now()
    digests, shown = [one.commitment.digest for one in new], time_of(at)
    rows = [
        {
            "number": number,
            "kind": one.kind,
            "at": at,
            "commitment": digest,
            "secret": None if one.commitment.is_derived else one.commitment.secret,
            "row": one.row,
            "row_id": one.row_id,
        }
        for number, (one, digest) in enumerate(zip(new, digests, strict=True), first)
    ]
    bulk.insert(connection, Leaf, rows)
    hashes = [leaf_hash(leaf_line(one.kind, shown, digest)) for one, digest in zip(new, digests, strict=True)]
    tree.save(connection, grown.append(hashes))
    for number, one in enumerate(new, first):
        _empty(connection, one.empties, by=number)
    return first


def time_of(at: datetime) -> str:
    """Return a leaf's time as it is hashed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def last_time(connection: Connection) -> datetime | None:
    """Return the time of the last leaf; None if there is none."""
    return connection.execute(select(Leaf.at).order_by(Leaf.number.desc()).limit(1)).scalar_one_or_none()


def _empty(connection: Connection, numbers: Collection[int], *, by: int) -> None:
    for some in bulk.parts(sorted(numbers), EMPTIED_AT_ONCE):
        connection.execute(update(Leaf).where(Leaf.number.in_(some)).values(emptied_by=by, secret=None))
