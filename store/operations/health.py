"""Health: running workers, the backlog, and whether a delivery could be kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, func, select

from store import database
from store.database.operations_tables import Worker
from store.database.tables import EventRow
from store.inbox.claims import PENDING
from store.states import Outcome
from store.system import clock

#: A backlog older than this is worth a look.
WAIT_MAX_SECONDS = 60.0

#: A worker that has said nothing for so long is not counted.
SILENCE_MAX = timedelta(seconds=20)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The number of pending events, and how long the oldest due one has waited."""

    pending: int
    oldest_seconds: float


def heartbeat(name: str) -> None:
    """Record that a worker runs. Commits. That also proves that the database can be written."""
    database.write(lambda connection: _say_alive(connection, name))


def _say_alive(connection: Connection, name: str) -> None:
    now = clock.now()
    statement = database.insert(Worker).values(name=name, seen_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=[Worker.name], set_={"seen_at": now}))
    connection.execute(delete(Worker).where(Worker.seen_at < now - 10 * SILENCE_MAX))


def sign_off(name: str) -> None:
    """Record that a worker ends. Commits."""
    database.write(lambda connection: connection.execute(delete(Worker).where(Worker.name == name)))


def forget_workers(connection: Connection) -> None:
    """Remove all heartbeats: in a restored backup no worker runs."""
    connection.execute(delete(Worker))


def workers() -> int:
    """Return how many workers run."""
    alive = select(func.count()).where(Worker.seen_at > clock.now() - SILENCE_MAX, Worker.name.not_like("probe:%"))
    return database.read(lambda connection: connection.execute(alive).scalar_one())


def backlog() -> Backlog:
    """Return the backlog."""
    return database.read(_backlog)


def _backlog(connection: Connection) -> Backlog:
    pending = connection.execute(select(func.count()).where(EventRow.status == PENDING)).scalar_one()
    return Backlog(pending=pending, oldest_seconds=_oldest_seconds(connection))


def next_due() -> int | None:
    """Return the sequence number of the due event that has waited longest; None if there is none. Fast for any backlog."""
    first = select(EventRow.sequence).where(EventRow.status == PENDING, EventRow.retry_at.is_(None)).order_by(EventRow.sequence).limit(1)
    again = (
        select(EventRow.sequence).where(EventRow.status == PENDING, EventRow.retry_at <= clock.now()).order_by(EventRow.retry_at).limit(1)
    )
    return database.read(lambda connection: connection.scalar(first) or connection.scalar(again))


def _oldest_seconds(connection: Connection) -> float:
    now = clock.now()
    first = select(EventRow.received_at).where(EventRow.status == PENDING, EventRow.retry_at.is_(None)).order_by(EventRow.sequence).limit(1)
    again = select(func.min(EventRow.retry_at)).where(EventRow.status == PENDING, EventRow.retry_at <= now)
    waiting = [since for since in (connection.execute(query).scalar_one_or_none() for query in (first, again)) if since]
    return max(0.0, (now - min(waiting, default=now)).total_seconds())


def oldest_seconds() -> float:
    """Return how long the oldest due event has waited. Fast for any backlog."""
    return database.read(_oldest_seconds)


def prove_writable(name: str) -> None:
    """Write a row. Raises what the database raises if a delivery could not be kept."""
    heartbeat(f"probe:{name}")


def failed() -> int:
    """Return how many dead letters there are."""
    dead = select(func.count()).where(EventRow.status == Outcome.FAILED)
    return database.read(lambda connection: connection.execute(dead).scalar_one())
