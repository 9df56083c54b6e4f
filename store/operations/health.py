"""Health: running workers, the backlog, and whether a delivery could be kept."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from store import database
from store.database.operations_tables import WebProcess, Worker
from store.database.tables import EventRow
from store.inbox.claims import PENDING
from store.system import clock
from store.text.states import Outcome

#: A backlog older than this is worth a look.
WAIT_MAX_SECONDS = 60.0

#: A worker that has said nothing for so long is not counted.
SILENCE_MAX = timedelta(seconds=20)

#: How the name of a row begins that only proves that the database can be written.
PROBE = "probe:"

#: No further is counted which pending events failed, and with what.
REASONS_MAX = 10_000

#: A pending event that failed. The index over retries serves it, so that `/readyz` does not read the whole backlog.
FAILED_ONCE = (EventRow.status == PENDING, EventRow.retry_at.is_not(None), EventRow.attempts > 0)
_ERROR = re.compile(r" failed with (\w+)")


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What is pending: how much, since when, and how much of it was tried in vain."""

    pending: int
    #: How long ago the oldest one was received; of one that is replayed, was reopened.
    oldest_seconds: float
    #: How many failed at least once, and the most frequent error among them.
    tried: int = 0
    error: str | None = None

    @property
    def is_late(self) -> bool:
        return self.oldest_seconds > WAIT_MAX_SECONDS

    def describe(self) -> dict[str, Any]:
        """Return the fields as they are shown."""
        return {"pending": self.pending, "oldest_seconds": round(self.oldest_seconds, 3), "tried": self.tried, "error": self.error}


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
    return len(database.read(names_of_workers))


def names_of_workers(connection: Connection) -> list[str]:
    """Return the running workers, as `host:pid`."""
    alive = select(Worker.name).where(Worker.seen_at > clock.now() - SILENCE_MAX, Worker.name.not_like(f"{PROBE}%"))
    return list(connection.scalars(alive.order_by(Worker.name)))


def other_hosts(connection: Connection, of: Collection[type[Worker | WebProcess]] = (Worker, WebProcess)) -> list[str]:
    """Return the other hosts of which a worker or a web process runs. `of`: which of the two are looked for."""
    recent = clock.now() - SILENCE_MAX
    names = {name for model in of for name in connection.scalars(select(model.name).where(model.seen_at > recent))}
    if WebProcess not in of:  # A web process that proves that it can write does so in the table of the workers.
        names = {name for name in names if not name.startswith(PROBE)}
    return sorted({name.removeprefix(PROBE).rpartition(":")[0] for name in names} - {socket.gethostname(), ""})


def backlog() -> Backlog:
    """Return the backlog."""
    return database.read(backlog_of)


def backlog_of(connection: Connection) -> Backlog:
    """Return the backlog."""
    pending = connection.execute(select(func.count()).where(EventRow.status == PENDING)).scalar_one()
    failed = select(EventRow.sequence).where(*FAILED_ONCE).limit(REASONS_MAX)
    tried = connection.execute(select(func.count()).select_from(failed.subquery())).scalar_one()
    return Backlog(
        pending=pending,
        oldest_seconds=_oldest_seconds(connection),
        tried=tried,
        error=_most_frequent_error(connection) if tried else None,
    )


def _most_frequent_error(connection: Connection) -> str | None:
    """Return the type of the exception that most of the pending events failed with last."""
    reasons = select(EventRow.reason).where(*FAILED_ONCE).limit(REASONS_MAX)
    kinds = Counter(found[1] for reason in connection.scalars(reasons) if (found := _ERROR.search(reason or "")))
    return kinds.most_common(1)[0][0] if kinds else None


def next_due() -> int | None:
    """Return the sequence number of the due event that has waited longest; None if there is none. Fast for any backlog."""
    first = select(EventRow.sequence).where(EventRow.status == PENDING, EventRow.retry_at.is_(None)).order_by(EventRow.sequence).limit(1)
    again = (
        select(EventRow.sequence).where(EventRow.status == PENDING, EventRow.retry_at <= clock.now()).order_by(EventRow.retry_at).limit(1)
    )
    return database.read(lambda connection: connection.scalar(first) or connection.scalar(again))


def _oldest_seconds(connection: Connection) -> float:
    now = clock.now()
    pending = EventRow.status == PENDING
    first = select(EventRow.received_at).where(pending, EventRow.replayed.is_(False)).order_by(EventRow.sequence).limit(1)
    again = select(func.min(EventRow.retry_at)).where(pending, EventRow.retry_at <= now, EventRow.replayed)
    return _longest_wait(connection, first, again, now=now)


def oldest_due_seconds() -> float:
    """Return how long the oldest due event has waited. One that failed waits since it is due again. Fast for any backlog."""
    return database.read(_oldest_due_seconds)


def _oldest_due_seconds(connection: Connection) -> float:
    now = clock.now()
    first = select(EventRow.received_at).where(EventRow.status == PENDING, EventRow.retry_at.is_(None)).order_by(EventRow.sequence).limit(1)
    again = select(func.min(EventRow.retry_at)).where(EventRow.status == PENDING, EventRow.retry_at <= now)
    return _longest_wait(connection, first, again, now=now)


def _longest_wait(connection: Connection, *queries: Select[datetime | None], now: datetime) -> float:
    waiting = [since for since in (connection.execute(query).scalar_one_or_none() for query in queries) if since]
    return max(0.0, (now - min(waiting, default=now)).total_seconds())


def prove_writable(name: str) -> None:
    """Write a row. Raises what the database raises if a delivery could not be kept."""
    heartbeat(f"{PROBE}{name}")


def failed() -> int:
    """Return how many dead letters there are."""
    dead = select(func.count()).where(EventRow.status == Outcome.FAILED)
    return database.read(lambda connection: connection.execute(dead).scalar_one())
