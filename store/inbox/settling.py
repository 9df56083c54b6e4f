"""Settling: how a claim ends. The outcome of an event, its next attempt, its end as a dead letter, its release; and its reopening."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct, structs
from sqlalchemy import Connection, delete, select, update

from store import database
from store.database import bulk
from store.database.operations_tables import Lease
from store.database.tables import EventRow
from store.inbox.claims import LEASE, PENDING, lock
from store.inbox.events import InboxEvent
from store.system import backoff, clock
from store.text.counts import counted
from store.text.states import Outcome


class Settlement(Struct, frozen=True, kw_only=True):
    """The outcome of an event, and what was learned about the event while handling it."""

    sequence: int
    status: Outcome
    reason: str
    event_type: str | None = None
    reference: str | None = None
    occurred_at: datetime | None = None


def settle(connection: Connection, settlements: list[Settlement], *, holder: str) -> bool:
    """Write the outcomes of claimed events. Return whether the holder still held all of them; if not, the caller must roll back."""
    now = clock.now()
    change = {"attempts": "events.attempts + 1", "claimed_by": "NULL", "suspect": "FALSE", "replayed": "FALSE"}
    if len(settlements) > 1:
        lock(connection, bulk.among(EventRow, [{"sequence": one.sequence} for one in settlements]))
    rows = [structs.asdict(one) | {"settled_at": now, "claimed_by": holder} for one in settlements]
    return bulk.rewrite(connection, EventRow, rows, key=("sequence", "claimed_by"), change=change) == len(rows)


class Retries(NamedTuple):
    """How often an event is tried, and the pause between two attempts: it doubles from the base up to the limit."""

    attempts_max: int = 14
    base: timedelta = timedelta(seconds=30)
    limit: timedelta = timedelta(hours=6)


#: Whether an event that is to become a dead letter was erased instead, in the same transaction.
Erases = Callable[[Connection, InboxEvent], bool]


def fail(event: InboxEvent, error: str, *, holder: str, retries: Retries, erases: Erases = lambda *_: False) -> None:
    """Count a failed attempt: postpone the event, or make it a dead letter after the last attempt, unless it is erased then. Commits."""
    attempts = event.attempts + 1
    if attempts >= retries.attempts_max:
        reason = f"handling failed {counted(attempts, 'time')}, at last with {error}"
        with database.begin() as connection:
            ended = {"status": Outcome.IGNORED} if erases(connection, event) else {"status": Outcome.FAILED, "reason": reason}
            _end_claim(connection, event.sequence, holder, **ended, settled_at=clock.now(), suspect=False)
        return
    retry_at = clock.now() + backoff.pause_with_jitter(retries.base, attempts, retries.limit)
    postpone(event.sequence, holder=holder, retry_at=retry_at, error=f"attempt {attempts} failed with {error}")


def postpone(sequence: int, *, holder: str, retry_at: datetime, error: str) -> None:
    """End the claim of an event, which is tried again later. Commits."""
    with database.begin() as connection:
        _end_claim(connection, sequence, holder, retry_at=retry_at, reason=error)


def _end_claim(connection: Connection, sequence: int, holder: str, **values: object) -> None:
    mine = (EventRow.sequence == sequence) & (EventRow.claimed_by == holder)
    connection.execute(update(EventRow).where(mine).values(claimed_by=None, attempts=EventRow.attempts + 1, **values))


def expire_lease(holder: str) -> None:
    """End the lease of a worker that is known to have crashed. Its events become suspects, and each is handled alone. Commits."""
    with database.begin() as connection:
        connection.execute(update(Lease).where(Lease.holder == holder).values(until=clock.now() - LEASE))


def release(holder: str) -> None:
    """Give back every event that the holder still holds, as if it had never been claimed. Commits."""
    mine = (EventRow.status == PENDING) & (EventRow.claimed_by == holder)
    with database.begin() as connection:
        lock(connection, mine)
        connection.execute(update(EventRow).where(mine).values(claimed_by=None))


def release_all(connection: Connection) -> None:
    """Give back every claim. In a restored backup no lease is valid."""
    connection.execute(update(EventRow).where(EventRow.status == PENDING, EventRow.claimed_by.is_not(None)).values(claimed_by=None))
    connection.execute(delete(Lease))


def reopen(connection: Connection, event_id: str) -> bool | None:
    """Make a settled event pending again, for a replay. Return False if it is pending already, None if there is no such event."""
    status = connection.execute(select(EventRow.status).where(EventRow.id == event_id).with_for_update()).scalar_one_or_none()
    if status is None:
        return None
    if status == Outcome.PENDING:
        return False
    connection.execute(
        update(EventRow)
        .where(EventRow.id == event_id)
        .values(status=Outcome.PENDING, settled_at=None, retry_at=clock.now(), attempts=0, suspect=False, replayed=True, dismissed_at=None)
    )
    return True
