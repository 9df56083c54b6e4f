"""Sessions of the console: who is signed in, until when, and who ended a session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from store.access import audit
from store.database.operations_tables import ConsoleSession
from store.system import clock

#: A session ends when it was not used for so long, and at the latest after so long.
IDLE_MAX, AGE_MAX = timedelta(minutes=15), timedelta(hours=8)

#: How much later a use is written down than it was, so that not every page writes.
SEEN_EVERY = timedelta(minutes=1)

#: How long after its latest end a row is kept.
KEPT = timedelta(days=7)

#: What proves a person today, before the mark of the token. Single sign-on would be another word.
BY_TOKEN = "token"  # noqa: S105

#: Letters of a token's mark.
MARK_CHARS = 32


class Begun(NamedTuple):
    """A new session: its id, and the secret that the browser holds."""

    id: str
    secret: str


class Session(NamedTuple):
    """A session that is open."""

    id: str
    person: str
    right: str
    proved_by: str
    seen_at: datetime
    proved_at: datetime

    @property
    def is_by_token(self) -> bool:
        return self.proved_by.partition(" ")[0] == BY_TOKEN

    def began_with(self, secret: str, token_digest: bytes) -> bool:
        """Return whether the session was begun with the token that has this digest. `secret`: what the browser holds."""
        return hmac.compare_digest(self.proved_by, _by_token(secret, token_digest))

    @property
    def is_to_be_seen(self) -> bool:
        """Return whether the last use that was written down is too long ago."""
        return self.seen_at < clock.now() - SEEN_EVERY


def begin(connection: Connection, *, person: str, right: str, token_digest: bytes) -> Begun:
    """Begin a session for a person who gave the token of this digest, with an entry in the audit log."""
    begun, now = Begun(str(uuid.uuid4()), secrets.token_urlsafe(32)), clock.now()
    values = {
        "person": person,
        "right": right,
        "proved_by": _by_token(begun.secret, token_digest),
        "began_at": now,
        "seen_at": now,
        "proved_at": now,
    }
    connection.execute(insert(ConsoleSession).values(id=begun.id, secret_digest=digest(begun.secret), **values))
    connection.execute(delete(ConsoleSession).where(ConsoleSession.began_at < now - AGE_MAX - KEPT))
    audit.write(connection, actor=person, action="sign in", subject=f"session {begun.id}")
    return begun


def find(connection: Connection, secret: str) -> Session | None:
    """Return the open session of a secret."""
    query = select(*(getattr(ConsoleSession, name) for name in Session._fields))
    row = connection.execute(query.where(ConsoleSession.secret_digest == digest(secret), *_is_open())).one_or_none()
    return Session(*row) if row else None


def see(connection: Connection, session_id: str) -> None:
    """Write down that a session is used."""
    connection.execute(update(ConsoleSession).where(ConsoleSession.id == session_id).values(seen_at=clock.now()))


def prove(connection: Connection, session_id: str) -> None:
    """Write down that the person of a session gave the token again."""
    connection.execute(update(ConsoleSession).where(ConsoleSession.id == session_id).values(proved_at=clock.now()))


def end(connection: Connection, session_id: str, *, by: str, of: str | None = None, os_user: str | None = None) -> bool:
    """End an open session, with an entry in the audit log; return whether there is one. `of`: only a session of that person. `os_user`: the
    account at whose terminal it is ended."""
    mine = [ConsoleSession.person == of] if of else []
    ended = update(ConsoleSession).where(ConsoleSession.id == session_id, *_is_open(), *mine).values(ended_at=clock.now(), ended_by=by)
    if not connection.execute(ended).rowcount:
        return False
    audit.write(connection, actor=by, action="sign out", subject=f"session {session_id}", os_user=os_user)
    return True


def listing(
    connection: Connection, *, of: str | None = None, since: datetime | None = None, limit: int | None = None
) -> Sequence[Row[Any]]:
    """Return the sessions that are open, the last used first: all, or those of a person. `since`: those that began then or later."""
    wanted = _is_open()
    if of:
        wanted.append(ConsoleSession.person == of)
    if since:
        wanted.append(ConsoleSession.began_at >= since)
    query = select(ConsoleSession.__table__).where(*wanted)
    return connection.execute(query.order_by(ConsoleSession.seen_at.desc(), ConsoleSession.id).limit(limit)).all()


def describe(row: Row[Any]) -> dict[str, Any]:
    """Return a session as it is shown."""
    times = {name: clock.rfc3339(getattr(row, name)) for name in ("began_at", "seen_at")}
    return {"id": row.id, "person": row.person, "right": row.right, **times, "ends_at": clock.rfc3339(row.began_at + AGE_MAX)}


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _by_token(secret: str, token_digest: bytes) -> str:
    """Return the word for a token, with a mark by which no token can be guessed without the browser's secret."""
    return f"{BY_TOKEN} {hmac.new(secret.encode(), token_digest, 'sha256').hexdigest()[:MARK_CHARS]}"


def _is_open() -> list[ColumnElement[bool]]:
    now = clock.now()
    return [
        ConsoleSession.ended_at.is_(None),
        ConsoleSession.seen_at > now - IDLE_MAX,
        ConsoleSession.began_at > now - AGE_MAX,
    ]
