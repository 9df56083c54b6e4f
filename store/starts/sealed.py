"""What a started verification holds of the person, and what opens the vendor's pages: encrypted, each with a data key of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct, field, structs
from sqlalchemy import Connection, Row, select, update

from store.database.privacy_tables import BodyKey
from store.database.vendor_tables import VerificationRequest
from store.inbox.sealing import body_keys
from store.inbox.sealing.encryption import Unopenable, WrappedKey, keyring
from store.starts.wanted.person import Document, Options, Person


class Secrets(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed of a verification."""

    #: What the vendor compares the documents with; removed once the vendor has it.
    person: Person | None = None
    #: The documents with the addresses from which the vendor fetches them.
    documents: list[Document] = field(default_factory=list)
    #: What else iDenfy gets.
    options: Options | None = None
    #: The digest of the request's content, and the answer to it: the same request gets the same answer.
    fingerprint: str = ""
    answer: dict[str, Any] | None = None
    #: Where the vendor hosts the pages for the person, and the token that opens them.
    redirect_url: str | None = None
    auth_token: str | None = None


#: What is removed once the vendor has everything, or gets nothing more.
NOT_NEEDED: dict[str, Any] = {"person": None, "documents": [], "options": None, "auth_token": None}


def seal(connection: Connection, request_id: str, secrets: Secrets) -> bytes:
    """Encrypt secrets with a new data key, and keep that key. Whoever calls it writes the result into the row."""
    sealed = keyring().seal(msgspec.json.encode(secrets), event_id=request_id)
    body_keys.forget(connection, [request_id])
    body_keys.insert(connection, {request_id: sealed.key})
    return sealed.body


def read(connection: Connection, row: Row[Any]) -> Secrets:
    """Return the secrets of a verification as they are now; none, where they were erased. Raises Unopenable.

    The body and its key are read together: another process may replace both since the row was read."""
    columns = (VerificationRequest.sealed, BodyKey.key_id, BodyKey.wrapped)
    with_key = VerificationRequest.__table__.outerjoin(BodyKey.__table__, BodyKey.event_id == VerificationRequest.id)
    found = connection.execute(select(*columns).select_from(with_key).where(VerificationRequest.id == row.id)).one_or_none()
    if found is None or found.sealed is None:
        return Secrets()
    wrapped = WrappedKey(found.key_id, found.wrapped) if found.key_id is not None else None
    return msgspec.json.decode(keyring().open(found.sealed, key_id="", event_id=row.id, wrapped=wrapped), type=Secrets)


def change(connection: Connection, row: Row[Any], **values: Any) -> None:
    """Replace some of the secrets of a verification, as they are now. Raises Unopenable."""
    mine = VerificationRequest.id == row.id
    connection.execute(select(VerificationRequest.id).where(mine).with_for_update())
    sealed = seal(connection, row.id, structs.replace(read(connection, row), **values))
    connection.execute(update(VerificationRequest).where(mine).values(sealed=sealed))


def forget_person(connection: Connection, row: Row[Any]) -> None:
    """Remove what a vendor would have got to know of the person. What cannot be opened is gone already."""
    with suppress(Unopenable):
        change(connection, row, **NOT_NEEDED)
