"""What a leaf commits to: the content of its row, under a salt that only the row's own secret gives.

The secret of an event is the data key of its body, so that wrapping the key again changes nothing, and deleting it ends the commitment.
Every other leaf has a random secret beside it. The salt of a body is another one: a proof may show the facts of an event, and its reader
can compare no guess with the body."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from store.database import bulk
from store.database.tables import EventRow
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import KEY_BYTES, Unopenable, keyring, open_with
from store.proof.kinds import SOURCES, LeafKind

#: Rows that one query reads.
ROWS_AT_ONCE = 5000

#: What an event's row has besides the columns of its content.
_SEALED = ("key_id", "sealed_body", "wrapped_by", "wrapped_key")

_LEAF_SALT, _BODY_SALT = b"standing: salt of a leaf", b"standing: salt of a body"

Row = Mapping[Any, Any]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Commitment(Struct, frozen=True, kw_only=True):
    """What a leaf commits to, and how that is shown to hold."""

    content: bytes
    secret: bytes
    #: The secret is the event's data key, and is kept nowhere else.
    is_derived: bool = False
    #: The body of an event. None: there is none, or it cannot be opened.
    body: bytes | None = None

    @property
    def salt(self) -> bytes:
        """Return the key of the commitment."""
        return hmac.digest(self.secret, _LEAF_SALT, "sha256")

    @property
    def body_salt(self) -> bytes:
        """Return the key of the body's digest."""
        return hmac.digest(self.secret, _BODY_SALT, "sha256")

    @property
    def digest(self) -> bytes:
        """Return the commitment itself."""
        return hmac.digest(self.salt, self.content, "sha256")


def read(connection: Connection, kind: LeafKind, keys: Collection[int | str]) -> dict[int | str, Row]:
    """Return the rows of a kind, by their numbers or ids. Those that are missing are left out."""
    source, found = SOURCES[kind], dict[int | str, Row]()
    for some in bulk.parts(list(keys), ROWS_AT_ONCE):
        query = rows_of(kind).where(getattr(source.table, source.key).in_(some))
        found |= {row[source.key]: row for row in connection.execute(query).mappings()}
    return found


def rows_of(kind: LeafKind) -> Any:
    """Return the query for the rows of a kind, with what their contents need."""
    source = SOURCES[kind]
    columns = [getattr(source.table, name) for name in source.columns]
    if kind == LeafKind.EVENT:
        columns += [EventRow.key_id, EventRow.sealed_body, *body_keys.COLUMNS]
    return select(*columns)


def commit(kind: LeafKind, row: Row, *, secret: bytes | None = None) -> Commitment:
    """Return the commitment to a row as it is now. `secret`: the one that its leaf has beside it; None: it has none, or there is no leaf
    yet. A body that cannot be opened is committed to by nothing, and has a secret beside its leaf."""
    if kind == LeafKind.EVENT:
        return _commit_event(row, secret)
    return Commitment(content=_encode(dict(row)), secret=secret or _drawn())


def commit_to_list(erasure_id: str | None, numbers: Collection[int], *, secret: bytes | None = None) -> Commitment:
    """Return the commitment of an `emptied` leaf: to the erasure, and to the numbers of the leaves that it emptied."""
    content = _encode({"erasure_id": erasure_id, "numbers": sorted(numbers)})
    return Commitment(content=content, secret=secret or _drawn())


def holds(kind: LeafKind, row: Row, digest: bytes, secret: bytes | None) -> bool:
    """Return whether a leaf's commitment is to the row as it is now, body included."""
    return matching(kind, row, digest, secret) is not None


def matching(kind: LeafKind, row: Row, digest: bytes, secret: bytes | None) -> Commitment | None:
    """Return the commitment of a leaf, whose digest and secret are given; None if it is not to the row as it is now."""
    found = commit(kind, row, secret=secret)
    if found.digest == digest:
        return found
    # It was logged while its body could not be opened, because its key was not configured.
    unopened = _of_event(row, None, secret=secret) if kind == LeafKind.EVENT and secret is not None and found.body is not None else None
    return unopened if unopened is not None and unopened.digest == digest else None


def open_body(row: Row) -> bytes:
    """Return the body of an event's row. Raises Unopenable."""
    wrapped = body_keys.wrapped_key(row["wrapped_by"], row["wrapped_key"])
    return keyring().open(row["sealed_body"], key_id=row["key_id"], event_id=row["id"], wrapped=wrapped)


def _commit_event(row: Row, secret: bytes | None) -> Commitment:
    if not row["sealed_body"]:
        return _of_event(row, None, secret=secret or _drawn())
    wrapped = body_keys.wrapped_key(row["wrapped_by"], row["wrapped_key"])
    try:
        data_key = keyring().unwrap(wrapped, event_id=row["id"]) if wrapped else None
        body = open_body(row) if data_key is None else open_with(data_key, row["sealed_body"], event_id=row["id"])
    except Unopenable:
        return _of_event(row, None, secret=secret or _drawn())
    if secret is None and data_key is not None:
        return _of_event(row, body, secret=data_key, is_derived=True)
    return _of_event(row, body, secret=secret or _drawn())


def _of_event(row: Row, body: bytes | None, *, secret: bytes, is_derived: bool = False) -> Commitment:
    facts = {name: value for name, value in row.items() if name not in _SEALED}
    digest = None if body is None else hmac.digest(hmac.digest(secret, _BODY_SALT, "sha256"), body, "sha256")
    content = _encode(facts | {"body": digest and base64.b64encode(digest).decode()})
    return Commitment(content=content, secret=secret, is_derived=is_derived, body=body)


def _drawn() -> bytes:
    return os.urandom(KEY_BYTES)
