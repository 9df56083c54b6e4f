"""How the service is: who works, what waits, and whether a delivery could be kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, func, select

from store import clock, database
from store.models import Event, Worker
from store.states import Outcome

#: A worker that has said nothing for so long is not counted.
SILENCE_MAX = timedelta(seconds=20)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What is pending, and how long the oldest of what is due has waited."""

    pending: int
    oldest_seconds: float


def say_alive(name: str) -> None:
    """Tell that a worker lives. Commits. Proves at the same time that the database can be written."""
    with database.begin() as connection:
        statement = database.insert(Worker).values(name=name, seen_at=clock.now())
        connection.execute(statement.on_conflict_do_update(index_elements=[Worker.name], set_={"seen_at": clock.now()}))
        connection.execute(delete(Worker).where(Worker.seen_at < clock.now() - 10 * SILENCE_MAX))


def say_farewell(name: str) -> None:
    """Tell that a worker ends. Commits."""
    with database.begin() as connection:
        connection.execute(delete(Worker).where(Worker.name == name))


def workers() -> int:
    """How many workers live."""
    with database.reading() as connection:
        alive = select(func.count()).where(Worker.seen_at > clock.now() - SILENCE_MAX, Worker.name.not_like("probe:%"))
        return connection.execute(alive).scalar_one()


def backlog() -> Backlog:
    """What is pending."""
    now = clock.now()
    with database.reading() as connection:
        pending, due, received = connection.execute(
            select(func.count(), func.min(Event.due_at), func.min(Event.received_at)).where(Event.status == Outcome.PENDING)
        ).one()
    waiting = max(due, received) if pending else now
    return Backlog(pending=pending, oldest_seconds=max(0.0, (now - waiting).total_seconds()))


def prove_writable(name: str) -> None:
    """Write a row. Raises what the database raises if a delivery could not be kept."""
    say_alive(f"probe:{name}")


def failed() -> int:
    """How many dead letters there are."""
    with database.reading() as connection:
        return connection.execute(select(func.count()).where(Event.status == Outcome.FAILED)).scalar_one()
