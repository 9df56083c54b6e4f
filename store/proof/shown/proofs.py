"""Proofs against the newest signed checkpoint: that a leaf is in the tree, and that an older tree is the beginning of it."""

from __future__ import annotations

import base64
import json
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, select

from store.database.log_tables import Leaf
from store.inbox import events
from store.proof import checkpoints, contents, leaves, notes, tree
from store.proof.contents import Commitment
from store.proof.kinds import LeafKind
from store.proof.merkle import Tree
from store.proof.shown import rows
from store.proof.shown.rows import NotLogged, Sought
from store.proof.verify import EXPORT, leaf_line

#: The first line of an export of all leaves.
EXPORT_TITLE = EXPORT.encode()

#: Leaves that one query of an export reads.
PAGE = 5000


class Altered(Exception):
    """A row is not as its leaf says, and no erasure is under way. The message names the leaf."""


class NotSigned(Exception):
    """No checkpoint is signed."""


class Proof(Struct, frozen=True):
    """A proof, as a C2SP `tlog-proof`, and what its `extra` line says."""

    text: str
    opening: dict[str, Any]

    @property
    def has_body(self) -> bool:
        """Return whether it shows the body of an event."""
        return "body" in self.opening

    @property
    def content(self) -> dict[str, Any] | None:
        """Return what the leaf commits to; None if it was emptied."""
        content = self.opening.get("content")
        return None if content is None else dict(json.loads(content))

    @property
    def body(self) -> bytes:
        """Return the body of an event, where the proof shows it."""
        return base64.b64decode(self.opening["body"])


class Signed(Struct, frozen=True):
    """A checkpoint, and the tree as one transaction reads it. It may have grown since."""

    checkpoint: Row[Any]
    tree: Tree


class LargerThanSigned(Exception):
    """The newest checkpoint is of a smaller tree than the one that was asked about. The message has both sizes."""


def newest(connection: Connection) -> Row[Any]:
    """Return the newest signed checkpoint. Raises NotSigned."""
    found = checkpoints.newest(connection)
    if found is None:
        raise NotSigned
    return found


def prove(connection: Connection, sought: Sought, *, with_body: bool = False) -> Proof:
    """Return the proof of a row's newest leaf, with the opening, for the newest checkpoint. Raises NotLogged, Altered and Unopenable.

    Where the leaf was emptied, the opening is the proof of the leaf that says so. `with_body`: an event's body is shown, too."""
    checkpoint = checkpoints.newest(connection)
    if checkpoint is None:
        raise NotLogged
    return prove_in(Signed(checkpoint, tree.tree(connection)), connection, sought, with_body=with_body)


def prove_in(signed: Signed, connection: Connection, sought: Sought, *, with_body: bool) -> Proof:
    """Return the same for a given checkpoint. Proofs of one transaction may share it, and so what was computed of the tree."""
    leaf = rows.leaf(connection, sought)
    opening = _opening(connection, sought, leaf, signed, with_body=with_body)
    return Proof(_proof(leaf, signed, opening), opening)


def consistency(connection: Connection, old: int) -> str:
    """Return the proof that the tree of the first `old` leaves is the beginning of the newest signed one, in the form of C2SP
    `tlog-witness` `add-checkpoint`. Raises NotSigned and LargerThanSigned."""
    checkpoint = newest(connection)
    if old > checkpoint.size:
        raise LargerThanSigned(f"the newest checkpoint, {checkpoint.origin}, has {checkpoint.size} leaves, and {old} were asked about")
    return notes.consistency_file(old, tree.tree(connection).consistency(old, checkpoint.size), checkpoint.note)


def entries(connection: Connection, start: int, limit: int) -> list[Row[Any]]:
    """Return leaves from a number on, those alone that the newest checkpoint has."""
    checkpoint = checkpoints.newest(connection)
    end = min(start + limit, checkpoint.size if checkpoint else 0)
    query = select(Leaf.number, Leaf.kind, Leaf.at, Leaf.commitment).where(Leaf.number >= start, Leaf.number < end)
    return list(connection.execute(query.order_by(Leaf.number)))


def describe_entry(row: Row[Any]) -> dict[str, Any]:
    """Return a leaf as it is shown: what is hashed of it, and its number."""
    commitment = base64.b64encode(row.commitment).decode()
    return {"number": row.number, "version": 1, "kind": row.kind, "at": leaves.time_of(row.at), "commitment": commitment}


def lines(connection: Connection, start: int, end: int) -> bytes:
    """Return the lines of leaves as they are hashed, from one number to another, which is excluded."""
    query = select(Leaf.kind, Leaf.at, Leaf.commitment).where(Leaf.number >= start, Leaf.number < end).order_by(Leaf.number)
    return b"".join(leaf_line(row.kind, leaves.time_of(row.at), row.commitment) for row in connection.execute(query))


# openings -----------------------------------------------------------------------------------------------------


def _proof(leaf: Row[Any], signed: Signed, opening: dict[str, Any]) -> str:
    if leaf.number >= signed.checkpoint.size:
        raise NotLogged
    path = signed.tree.inclusion(leaf.number, signed.checkpoint.size)
    return notes.proof_file(leaf.number, path, signed.checkpoint.note, json.dumps(opening).encode())


def _opening(connection: Connection, sought: Sought, leaf: Row[Any], signed: Signed, *, with_body: bool) -> dict[str, Any]:
    """Return what a leaf commits to and its salt, or which leaf emptied it. Raises NotLogged, Altered and Unopenable."""
    if leaf.emptied_by is not None:
        return _emptied(connection, leaf, signed)
    found = _commitment(connection, leaf)
    if found is None:
        # An erasure may be under way: first it waits in the queue, then it empties the leaf.
        is_queued, now = rows.is_queued(connection, sought), rows.by_number(connection, leaf.number)
        if is_queued or (now is not None and now.emptied_by is not None):
            raise NotLogged
        raise Altered(f"the row of leaf {leaf.number} is not as it was logged: standing log verify says more")
    shown = {"leaf": _shown(leaf), "salt": _base64(found.salt), "content": found.content.decode()}
    if with_body and found.body is not None:
        shown |= {"body": _base64(found.body), "body_salt": _base64(found.body_salt)}
    return shown


def _commitment(connection: Connection, leaf: Row[Any]) -> Commitment | None:
    """Return what a leaf commits to; None if its row is gone or another one. Raises Unopenable."""
    kind = LeafKind(leaf.kind)
    if kind == LeafKind.EMPTIED:
        numbers = connection.execute(select(Leaf.number).where(Leaf.emptied_by == leaf.number)).scalars().all()
        emptying = contents.commit_to_list(leaf.row_id, numbers, secret=leaf.secret)
        return emptying if emptying.digest == leaf.commitment else None
    key = rows.leaf_key(leaf)
    if key is None:
        return None
    row = contents.read(connection, kind, [key]).get(key)
    if row is None:
        return None
    found = contents.matching(kind, row, leaf.commitment, leaf.secret)
    if found is None and kind == LeafKind.EVENT and leaf.secret is None and row["sealed_body"]:
        # Only the data key of its body gives the secret.
        events.body(connection, row["id"])
    return found


def _emptied(connection: Connection, leaf: Row[Any], signed: Signed) -> dict[str, Any]:
    by = rows.by_number(connection, leaf.emptied_by)
    if by is None:
        raise Altered(f"leaf {leaf.emptied_by}, which says that leaf {leaf.number} was emptied, is missing")
    opening = _opening(connection, Sought(kinds=(LeafKind.EMPTIED,), key=None, leaf=by), by, signed, with_body=False)
    return {
        "leaf": _shown(leaf) | {"commitment": _base64(leaf.commitment)},
        "emptied_by": by.number,
        "emptied_proof": _proof(by, signed, opening),
    }


def _shown(leaf: Row[Any]) -> dict[str, Any]:
    return {"version": 1, "kind": leaf.kind, "at": leaves.time_of(leaf.at)}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
